//! What customers can be asked for and sorted by.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

use crate::{
    filter::Filter,
    id::CustomerId,
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which customers.
pub type CustomerFilter = Filter<CustomerCondition>;

/// One condition on a customer. An empty list is met by no customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CustomerCondition {
    /// Part of the name, slug or contact's mail address, any case.
    Search(String),
    /// One of these.
    Ids(Vec<CustomerId>),
    /// With one of these short names.
    Slugs(Vec<String>),
    /// Archived, or not.
    Archived(bool),
}

/// What customers can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum CustomerOrderField {
    /// Organisation name.
    #[default]
    Name,
    /// Short name.
    Slug,
}

pub(super) fn push(sql: &mut Sql, condition: &CustomerCondition) {
    match condition {
        CustomerCondition::Search(text) => {
            contains(
                sql,
                &["customer.name", "customer.slug", "customer.email"],
                text,
            );
        }
        CustomerCondition::Ids(ids) => {
            sql.push_any(
                "customer.customer_id",
                uuids(ids.iter().map(|id| id.uuid())),
            );
        }
        CustomerCondition::Archived(yes) => sql.push_is_null("customer.archived_at", !*yes),
        CustomerCondition::Slugs(slugs) => sql.push_any("customer.slug", texts(slugs)),
    }
}

pub(super) fn column(field: CustomerOrderField) -> SortColumn {
    SortColumn::text(match field {
        CustomerOrderField::Name => "customer.name",
        CustomerOrderField::Slug => "customer.slug",
    })
}
