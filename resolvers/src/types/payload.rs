//! Payloads of mutations.

use async_graphql::{ID, SimpleObject};

use crate::types::{customer::Customer, grant::SegmentGrant};

/// Result of `setCustomerVisibility`.
#[derive(SimpleObject)]
pub(crate) struct SetCustomerVisibilityPayload {
    /// The customer after the change.
    pub(crate) customer: Customer,
}

/// Result of `grantSegment`.
#[derive(SimpleObject)]
pub(crate) struct GrantSegmentPayload {
    /// All grants of the subject after the change.
    pub(crate) grants: Vec<SegmentGrant>,
}

/// Result of `revokeSegment`.
#[derive(SimpleObject)]
pub(crate) struct RevokeSegmentPayload {
    /// The grant that is gone.
    pub(crate) grant_id: ID,
}
