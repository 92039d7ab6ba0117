//! Words about fleet import.

use async_graphql::InputObject;

/// A fleet file as text.
#[derive(InputObject, Clone, Debug)]
pub struct ImportFleetInput {
    /// CSV with a header; columns in any order: `iccid` and `state` are required, `customer`, `imsi`, `msisdn`,
    /// `device`, `device_kind` (of a device that the row creates), `labels` and `device_labels` (of the SIM and of the
    /// row's device, `key=value;key=value`; labels that are not named stay), `simulated` (`true` or `false`) and
    /// `valid_from` (a date or RFC 3339) are optional. Several rows of one ICCID with other `valid_from` are its
    /// assignment history. A device belongs to the customer of the SIM that sits in it; of several, of the one that was
    /// assigned or put in last. An assignment that reaches into accepted usage is refused (`USAGE_ALREADY_COUNTED`).
    pub csv: String,
}
