//! Words about fleet import.

use async_graphql::InputObject;
use domain::fleet::RowCode;

use crate::word::word;

word! {
    /// Why a row of a fleet file was refused.
    FleetRowCode = RowCode
}

/// A fleet file as text: at most 20,000 rows. `simcube import` takes larger ones.
#[derive(InputObject, Clone, Debug)]
pub struct ImportFleetInput {
    /// CSV with a header; columns in any order: `iccid` and `state` are required, `customer`, `imsi`, `msisdn`,
    /// `device`, `device_kind` (of a device that the row creates), `labels` and `device_labels` (of the SIM and of the
    /// row's device, `key=value;key=value`; labels that are not named stay), `simulated` (`true` or `false`) and
    /// `valid_from` (a date or RFC 3339) are optional. Several rows of one ICCID with other `valid_from` are its
    /// assignment history. A device belongs to the customer of the SIM that sits in it; of several, of the one that was
    /// assigned or put in last. An assignment that reaches into accepted usage is refused (`USAGE_ALREADY_COUNTED`).
    pub csv: String,
    /// True: the answer says what the import would come to, and nothing is changed. It uses no key.
    #[graphql(default = false)]
    pub dry_run: bool,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}
