//! The one builder of statements about sessions that callers ask.
//!
//! [`Scoped::new`] cannot be called without a [`Scope`], and a statement reads sessions only through [`Scoped::own`], which always carries the
//! tenant and the caller's segments. A row is of the customer that the SIM had when its rollup was made, so whoever has the SIM later sees
//! nothing of it.

use chrono::{DateTime, Utc};
use clickhouse::query::Query;
use domain::{
    Permission, Result, Scope,
    id::{CustomerId, SimId},
    scope::{Segment, Segments},
    session::SessionStatus,
};

use super::read::{Narrowed, Place, Shown};
use crate::usage::scoped::{Parameter, Parameters};

/// What one caller may see of sessions, as SQL.
pub(super) struct Scoped {
    parameters: Parameters,
    /// The caller's part of the tenant.
    segment: Vec<String>,
    conditions: Vec<String>,
}

impl Scoped {
    /// # Errors
    /// `FORBIDDEN` when the caller may not read sessions.
    pub(super) fn new(scope: &Scope) -> Result<Self> {
        scope.require(Permission::SessionsRead)?;
        let mut parameters = Parameters::default();
        let tenant = parameters.bind(Parameter::Uuid(scope.tenant().uuid()));
        let mut scoped = Self {
            parameters,
            segment: Vec::new(),
            conditions: vec![format!("tenant = {tenant}")],
        };
        if let Segments::Part(segment) = scope.segments() {
            scoped.within(segment);
        }
        Ok(scoped)
    }

    /// The caller's segments, as they are of SIMs: devices that were granted open no session.
    fn within(&mut self, segment: &Segment) {
        if segment.is_empty() {
            self.segment.push("false".to_owned());
            return;
        }
        if let Some(customer) = segment.within {
            let customer = self.parameters.bind(Parameter::Uuid(customer.uuid()));
            self.segment.push(format!("customer = {customer}"));
        }
        if segment.has_grants() {
            let customers = segment.customers.iter().map(|id| id.uuid()).collect();
            let customers = self.parameters.bind(Parameter::Uuids(customers));
            let sims = segment.sims.iter().map(|id| id.uuid()).collect();
            let sims = self.parameters.bind(Parameter::Uuids(sims));
            self.segment
                .push(format!("(customer IN {customers} OR sim IN {sims})"));
        }
    }

    /// Of whole sessions of which the caller was shown something. What comes of it may be no more than how much of them is not the caller's.
    ///
    /// # Errors
    /// As [`Scoped::new`].
    pub(super) fn whole_sessions(scope: &Scope, shown: &[Shown]) -> Result<Self> {
        let mut scoped = Self::new(scope)?;
        let sims: Vec<SimId> = shown.iter().map(|shown| shown.sim).collect();
        let sessions = shown.iter().map(|shown| shown.session).collect();
        let sessions = scoped.parameters.bind(Parameter::Uuids(sessions));
        scoped.of_sims(&sims).and(&format!("session IN {sessions}"));
        Ok(scoped)
    }

    /// Whether a row is of the caller's part.
    pub(super) fn is_own(&self) -> String {
        format!("({})", self.segment.join(" AND "))
    }

    /// A condition more.
    pub(super) fn and(&mut self, condition: &str) -> &mut Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// Of these SIMs only.
    pub(super) fn of_sims(&mut self, sims: &[SimId]) -> &mut Self {
        let sims = sims.iter().map(|id| id.uuid()).collect();
        let sims = self.parameters.bind(Parameter::Uuids(sims));
        self.conditions.push(format!("sim IN {sims}"));
        self
    }

    /// Of what meets these conditions only.
    pub(super) fn narrow(&mut self, narrowed: &Narrowed) -> &mut Self {
        let Narrowed {
            sims,
            networks,
            customers,
            from,
            to,
            online_from,
            statuses,
        } = narrowed;
        if let Some(sims) = sims {
            self.of_sims(sims);
        }
        if let Some(networks) = networks {
            let networks = self.parameters.bind(Parameter::Texts(networks.clone()));
            self.conditions.push(format!("network IN {networks}"));
        }
        if let Some(customers) = customers {
            let customers = customers.iter().copied().map(CustomerId::uuid).collect();
            let customers = self.parameters.bind(Parameter::Uuids(customers));
            self.conditions.push(format!("customer IN {customers}"));
        }
        let from = self.moment(whole_millis(*from));
        self.conditions.push(format!("event_at >= {from}"));
        if let Some(to) = to {
            let to = self.moment(whole_millis(*to));
            self.conditions.push(format!("event_at < {to}"));
        }
        if let Some(statuses) = statuses {
            let online_from = self.moment(whole_millis(*online_from));
            let mut any = vec!["false".to_owned()];
            any.extend(
                statuses
                    .iter()
                    .map(|status| status_sql(*status, &online_from)),
            );
            self.conditions.push(format!("({})", any.join(" OR ")));
        }
        self
    }

    /// Of what comes after a place, in a direction.
    pub(super) fn beyond(&mut self, place: Place, id: &str, comparison: &str) -> &mut Self {
        let event_at = self.moment(place.event_ms);
        let id_value = self.parameters.bind(Parameter::Uuid(place.id));
        let terminates = u8::from(place.terminates);
        self.conditions.push(format!(
            "(event_at, toUInt8(request_type), {id}) {comparison} ({event_at}, {terminates}, {id_value})"
        ));
        self
    }

    /// A moment in milliseconds as the tables have it.
    fn moment(&mut self, millis: i64) -> String {
        let millis = self.parameters.bind(Parameter::Integer(millis.into()));
        format!("fromUnixTimestamp64Milli(toInt64({millis}), 'UTC')")
    }

    /// The end of a SELECT: the caller's part of a table.
    pub(super) fn own(&self, table: &str) -> String {
        let all = self.segment.iter().chain(&self.conditions);
        let all: Vec<&str> = all.map(String::as_str).collect();
        format!("FROM {table}\nWHERE {}", all.join("\n  AND "))
    }

    /// The same without regard to the caller's part: only for what is said of [`Scoped::whole_sessions`].
    pub(super) fn all(&self, table: &str) -> String {
        format!("FROM {table}\nWHERE {}", self.conditions.join("\n  AND "))
    }

    /// Binds all values to a query.
    pub(super) fn attach(&self, query: Query) -> Query {
        self.parameters.attach(query)
    }
}

/// The first whole millisecond that is not before a moment: rollups are made at one.
fn whole_millis(moment: DateTime<Utc>) -> i64 {
    -(-moment.timestamp_micros()).div_euclid(1_000)
}

fn status_sql(status: SessionStatus, online_from: &str) -> String {
    use SessionStatus as S;
    match status {
        S::Online => format!("(request_type = 'UPDATE' AND event_at >= {online_from})"),
        S::Stale => format!("(request_type = 'UPDATE' AND event_at < {online_from})"),
        S::Offline => "request_type = 'TERMINATE'".to_owned(),
    }
}
