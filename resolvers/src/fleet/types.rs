//! `ImportFleetPayload`.

use async_graphql::SimpleObject;
use domain::fleet;
use schema::{fleet::FleetRowCode, scalar::int};

use crate::user_error::UserError;

/// A row that was refused; the others went in.
#[derive(SimpleObject)]
pub(crate) struct FleetRowError {
    /// Line in the file; the header is line 1.
    line: i32,
    /// Why, for programs.
    code: FleetRowCode,
    /// Why, for people.
    reason: String,
}

/// What an import came to, or would come to: rows = created + updated + unchanged + rejected.
#[derive(SimpleObject)]
pub(crate) struct FleetReport {
    /// Data rows read.
    rows: i32,
    /// Rows of SIMs that are new.
    created: i32,
    /// Rows of SIMs that were known and changed.
    updated: i32,
    /// Rows of SIMs that were like this already.
    unchanged: i32,
    /// Rows refused: how many `errors` there would be if none were left out.
    rejected: i32,
    /// Names of the customers that are new. A name that is spelt in another way than before makes a new customer.
    new_customers: Vec<String>,
    /// How many devices are new.
    new_devices: i32,
    /// Keys of the labels that are new.
    new_labels: Vec<String>,
    /// The refused rows, by line; the first 10,000 of them.
    errors: Vec<FleetRowError>,
    /// True: more rows were refused than `errors` lists.
    errors_truncated: bool,
}

/// Result of `importFleet`.
#[derive(SimpleObject)]
pub(crate) struct ImportFleetPayload {
    /// What the import came to; null when the file was refused as a whole.
    report: Option<FleetReport>,
    /// Why the file was refused as a whole.
    user_errors: Vec<UserError>,
}

impl ImportFleetPayload {
    pub(super) fn new(report: Option<fleet::Report>, user_errors: Vec<UserError>) -> Self {
        Self {
            report: report.map(Into::into),
            user_errors,
        }
    }
}

impl From<fleet::Report> for FleetReport {
    fn from(report: fleet::Report) -> Self {
        let errors_truncated = report.rejected > report.errors.len() as u64;
        let error = |error: fleet::RowError| FleetRowError {
            line: int(error.line),
            code: error.code.into(),
            reason: error.reason,
        };
        Self {
            rows: int(report.rows),
            created: int(report.created),
            updated: int(report.updated),
            unchanged: int(report.unchanged),
            rejected: int(report.rejected),
            new_customers: report.customers,
            new_devices: int(report.devices),
            new_labels: report.labels,
            errors: report.errors.into_iter().map(error).collect(),
            errors_truncated,
        }
    }
}
