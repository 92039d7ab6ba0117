//! Who a store is, so that nobody takes another one for it.

use domain::{Error, Result};
use uuid::Uuid;

use crate::{Store, System, store::fault};

impl Store {
    /// The identity that was given to this store, which all replicas share; none in a new one.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer, or on a cluster, when its replica does not catch up.
    pub async fn identity(&self, _: &System) -> Result<Option<Uuid>> {
        if let Some(identity) = self.known_identity().await? {
            return Ok(Some(identity));
        }
        // A replica may not have heard of it yet.
        self.sync("name = 'store_identity'").await?;
        self.known_identity().await
    }

    async fn known_identity(&self) -> Result<Option<Uuid>> {
        let identities: Vec<String> = self
            .query("SELECT toString(identity) FROM store_identity ORDER BY at LIMIT 1")
            .fetch_all()
            .await
            .map_err(fault)?;
        let identity = identities.first().map(|text| Uuid::parse_str(text));
        identity.transpose().map_err(Error::internal)
    }

    /// Gives this store an identity. The first one counts.
    pub async fn set_identity(&self, _: &System, identity: Uuid) -> Result<()> {
        self.execute(&format!(
            "INSERT INTO store_identity (identity) VALUES ('{identity}')"
        ))
        .await
    }

    /// Whether there is no usage of anybody: no record, no rollup, and nothing in the coarsest cubes, which keeps what it counted.
    pub async fn is_empty(&self, _: &System) -> Result<bool> {
        let found: u64 = self
            .query(
                "SELECT count() FROM (SELECT 1 FROM usage_year LIMIT 1 UNION ALL SELECT 1 FROM cdr LIMIT 1 \
                 UNION ALL SELECT 1 FROM session_year LIMIT 1 UNION ALL SELECT 1 FROM session_log LIMIT 1)",
            )
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(found == 0)
    }
}
