//! Fleet import.

use std::io::Cursor;

use async_graphql::{Context, Object};
use schema::fleet::ImportFleetInput;

use super::ImportFleetPayload;
use crate::{
    request::{key, session},
    user_error::outcome,
};

/// Fleet import.
#[derive(Default)]
pub(crate) struct FleetMutation;

#[Object]
impl FleetMutation {
    /// Imports a fleet: customers, SIMs, devices, labels and assignment history. Importing a file
    /// again of which no row was rejected changes nothing. Bad rows are reported and do not stop the others; otherwise all of the file is kept, or nothing, if the
    /// request breaks off. The tenant's intake may wait for it. Needs `INVENTORY_WRITE`.
    async fn import_fleet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: ImportFleetInput,
    ) -> async_graphql::Result<Option<ImportFleetPayload>> {
        let session = session(ctx)?;
        let import = async {
            let key = key(ctx, input.idempotency_key.as_deref())?;
            let file = Cursor::new(input.csv);
            session.import_fleet(file, key, input.dry_run).await
        };
        let (report, user_errors) = outcome(import.await)?;
        Ok(Some(ImportFleetPayload::new(report, user_errors)))
    }
}
