//! The mark that a stop in order leaves.

use domain::{Error, Result};
use uuid::Uuid;

use crate::{Store, System, store::fault};

impl Store {
    /// The mark that was left last, by the number in its upper half; none in a new database.
    pub async fn mark(&self, _: &System) -> Result<Option<Uuid>> {
        let marks: Vec<String> = self
            .query("SELECT toString(mark) FROM intake_mark ORDER BY toUInt128(mark) DESC LIMIT 1")
            .fetch_all()
            .await
            .map_err(fault)?;
        let mark = marks.first().map(|mark| Uuid::parse_str(mark));
        mark.transpose().map_err(Error::internal)
    }

    /// Leaves a mark.
    pub async fn set_mark(&self, _: &System, mark: Uuid) -> Result<()> {
        self.execute(&format!("INSERT INTO intake_mark (mark) VALUES ('{mark}')"))
            .await
    }
}
