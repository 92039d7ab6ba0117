//! The audit log of a period.

use analytics::usage::Span;
use domain::{
    Permission as P, Result,
    audit::{Event, EventCondition},
    calendar::Zone,
};
use serde::{Deserialize, Serialize};
use service::Session;

use super::pages::{Listed, Plain};
use crate::{Cell, Column, Error, Kind, run::Sink};

/// A part of the audit log, kept as it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuestion {
    /// When it was written.
    pub period: Span,
    /// In which days and months are meant.
    #[serde(default)]
    pub time_zone: Zone,
}

impl AuditQuestion {
    /// # Errors
    /// Those of its period.
    pub(super) async fn open(self, session: Session) -> Result<Plain<Event>> {
        let cx = session.read().await?;
        let period = self.period.at(self.time_zone, cx.now())?;
        let filter = EventCondition::At(period).into();
        Ok(Plain::new(session, filter, Some(period)))
    }
}

impl Listed for Event {
    fn columns() -> Vec<Column> {
        let of = |name, kind, says| Column::of(name, kind, P::AuditRead, says);
        vec![
            of("at", Kind::Moment, "When."),
            of(
                "actor",
                Kind::Text,
                "Subject of the token, or the part of the program.",
            ),
            of("role", Kind::Text, "Role of the actor."),
            of("action", Kind::Text, "What was done, `noun.verb`."),
            of(
                "object",
                Kind::Text,
                "To what: its identifier, or a subject whose rights changed.",
            ),
            of("detail", Kind::Text, "Particulars, as JSON."),
        ]
    }

    fn push(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let Self {
            id: _,
            at,
            actor,
            role,
            action,
            subject,
            detail,
        } = self;
        sink.push(&[
            Cell::Moment(*at),
            Cell::Text(actor),
            Cell::Text(role),
            Cell::Text(action),
            Cell::Text(subject),
            Cell::Text(detail),
        ])
    }
}
