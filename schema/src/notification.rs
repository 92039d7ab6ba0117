//! Words about notifications.

use async_graphql::{ID, InputObject};
use domain::{
    Error, Result,
    notification::{self, NotificationCondition, Which},
};

use crate::{filter::conditions, order::order, parse_ids, parse_ids_in, word::word, words};

word! {
    /// What somebody is told. Others may be added.
    NotificationKind = notification::NotificationKind
}

/// Which notifications. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct NotificationFilter {
    /// All of these hold.
    pub and: Option<Vec<NotificationFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<NotificationFilter>>,
    /// This does not hold.
    pub not: Option<Box<NotificationFilter>>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<NotificationKind>>,
    /// Whether it is still to be read.
    pub unread: Option<bool>,
}

conditions!(NotificationFilter => NotificationCondition {
    ids: |ids: Vec<ID>| parse_ids(&ids).map(NotificationCondition::Ids),
    kinds: |kinds: Vec<NotificationKind>| words(kinds).map(NotificationCondition::Kinds),
    unread: |yes| Ok(NotificationCondition::Unread(yes)),
});

word! {
    /// What notifications can be sorted by.
    NotificationOrderField = notification::NotificationOrderField, Default
}

order! {
    /// Sort of a list of notifications.
    NotificationOrder by NotificationOrderField, Desc
}

/// Notifications that were read: either `ids` or `all`.
#[derive(InputObject, Clone, Debug)]
pub struct MarkNotificationsReadInput {
    /// These, at most 200.
    pub ids: Option<Vec<ID>>,
    /// All of the caller's.
    #[graphql(default)]
    pub all: bool,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl MarkNotificationsReadInput {
    /// Which are meant.
    ///
    /// # Errors
    /// `INVALID_INPUT` when it says neither or both, and for what is no id of a notification.
    pub fn which(&self) -> Result<Which> {
        match (&self.ids, self.all) {
            (Some(ids), false) => parse_ids_in("ids", ids).map(Which::Ids),
            (None, true) => Ok(Which::All),
            _ => Err(Error::invalid("give either `ids` or `all`").at("ids")),
        }
    }
}
