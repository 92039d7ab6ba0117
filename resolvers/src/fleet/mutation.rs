//! Fleet import.

use std::io::Cursor;

use async_graphql::{Context, Object};
use schema::fleet::ImportFleetInput;

use super::ImportFleetPayload;
use crate::{request::session, user_error::outcome};

/// Fleet import.
#[derive(Default)]
pub(crate) struct FleetMutation;

#[Object]
impl FleetMutation {
    /// Imports a fleet: customers, SIMs, devices, labels and assignment history. Importing the same file again
    /// changes nothing. Bad rows are reported and do not stop the others. Needs `INVENTORY_WRITE`.
    async fn import_fleet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: ImportFleetInput,
    ) -> async_graphql::Result<Option<ImportFleetPayload>> {
        let report = session(ctx)?.import_fleet(Cursor::new(input.csv));
        let (report, user_errors) = outcome(report.await)?;
        Ok(Some(ImportFleetPayload::new(report, user_errors)))
    }
}
