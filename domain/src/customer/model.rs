//! What a customer is.

use chrono::{DateTime, Utc};

use crate::{id::CustomerId, scope::Visibility};

/// What names a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerBy {
    /// Its id.
    Id(CustomerId),
    /// Its short name.
    Slug(String),
}

/// A customer record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Identifier.
    pub id: CustomerId,
    /// Short name used in tokens, files and on the command line; unique in the tenant.
    pub slug: String,
    /// Organisation name, unique in the tenant.
    pub name: String,
    /// Contact's first name.
    pub first_name: Option<String>,
    /// Contact's last name.
    pub last_name: Option<String>,
    /// Contact's mail address.
    pub email: Option<String>,
    /// Contact's phone number.
    pub phone: Option<String>,
    /// What the customer's own users may see.
    pub visibility: Visibility,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// Since when it is not served any more.
    pub archived_at: Option<DateTime<Utc>>,
}
