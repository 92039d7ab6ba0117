//! `ImportFleetPayload`.

use async_graphql::SimpleObject;
use domain::fleet;

/// A row that was refused; the others went in.
#[derive(SimpleObject)]
pub(crate) struct FleetRowError {
    /// Line in the file; the header is line 1.
    line: u64,
    /// Why, for programs.
    code: &'static str,
    /// Why, for people.
    reason: String,
}

/// Result of `importFleet`: rows = created + updated + unchanged + rejected.
#[derive(SimpleObject)]
pub(crate) struct ImportFleetPayload {
    /// Data rows read.
    rows: u64,
    /// Rows of SIMs that are new.
    created: u64,
    /// Rows of SIMs that were known and changed.
    updated: u64,
    /// Rows of SIMs that were like this already.
    unchanged: u64,
    /// Rows refused.
    rejected: u64,
    /// The refused rows, by line.
    errors: Vec<FleetRowError>,
}

impl From<fleet::Report> for ImportFleetPayload {
    fn from(report: fleet::Report) -> Self {
        let error = |error: fleet::RowError| FleetRowError {
            line: error.line,
            code: error.code.as_str(),
            reason: error.reason,
        };
        Self {
            rows: report.rows,
            created: report.created,
            updated: report.updated,
            unchanged: report.unchanged,
            rejected: report.rejected,
            errors: report.errors.into_iter().map(error).collect(),
        }
    }
}
