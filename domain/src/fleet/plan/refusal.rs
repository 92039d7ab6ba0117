//! A row that refuses its SIM's other rows too.

use crate::fleet::model::{FleetRow, RowCode, RowError};

/// A refused row of a SIM, which refuses its other rows too.
pub(super) struct Refusal {
    line: u64,
    code: RowCode,
    reason: String,
}

impl Refusal {
    pub(super) fn new(row: &FleetRow, code: RowCode, reason: impl Into<String>) -> Self {
        Self {
            line: row.line,
            code,
            reason: reason.into(),
        }
    }

    /// One error per row: the culprit's own, and for the others where to look.
    pub(super) fn errors(self, rows: &[&FleetRow]) -> Vec<RowError> {
        let error = |row: &&FleetRow| {
            if row.line == self.line {
                RowError::new(row.line, self.code, self.reason.clone())
            } else {
                let reason = format!("line {} of the same SIM was refused", self.line);
                RowError::new(row.line, RowCode::IncompleteHistory, reason)
            }
        };
        rows.iter().map(error).collect()
    }
}
