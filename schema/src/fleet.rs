//! Words about fleet import.

use async_graphql::InputObject;

/// A fleet file as text.
#[derive(InputObject, Clone, Debug)]
pub struct ImportFleetInput {
    /// CSV with a header; columns in any order: `iccid` and `state` are required, `customer`, `imsi`, `msisdn`,
    /// `device`, `labels` (`key=value;key=value`) and `valid_from` (RFC 3339) are optional. Several rows of one ICCID
    /// with other `valid_from` are its assignment history.
    pub csv: String,
}
