//! Networks that usage names and the dictionary does not have.

use domain::{Permission, Result, Scope};

use super::scoped::Scoped;
use crate::{Store, family::Family, store::fault};

/// Most networks of one answer.
const MOST: u32 = 1_000;

impl Store {
    /// The codes, MCC-MNC in order, of networks that the caller's usage was in and the dictionary does not have: of usage records, and of
    /// sessions where these are open to the caller. A thousand at most.
    ///
    /// # Errors
    /// `FORBIDDEN` when the caller may not read usage, `UNAVAILABLE` when the engine does not answer.
    pub async fn unknown_networks(&self, scope: &Scope) -> Result<Vec<String>> {
        let mut scoped = Scoped::new(scope, Family::Cdr)?;
        let sql = statement(&mut scoped, scope.may(Permission::SessionsRead));
        let query = scoped.parameters.attach(self.query(&sql));
        query.fetch_all().await.map_err(fault)
    }
}

fn statement(scoped: &mut Scoped, with_sessions: bool) -> String {
    let mut used = format!("SELECT network {}", scoped.years());
    if with_sessions {
        used.push_str("\n    UNION ALL\n    SELECT network ");
        scoped.family = Family::Session;
        used.push_str(&scoped.years());
    }
    format!(
        "SELECT DISTINCT toString(network) AS code\nFROM (\n    {used}\n)\n\
         WHERE code != '' AND code NOT IN (SELECT plmn FROM network)\nORDER BY code\nLIMIT {MOST}"
    )
}
