//! The demo: a fleet loaded through the real intake on the first start, and what to try first.

use std::{fmt::Write as _, time::Duration};

use anyhow::Result;
use domain::Role;

use super::token;
use crate::{auth::development::Claims, config::Config};

/// Demo tokens outlast a working day.
const TTL: Duration = Duration::from_hours(24);

/// The tenant that the banner is about.
const TENANT: &str = "alpha";

/// A question that has an answer as soon as there is usage.
const QUESTION: &str = "{ usage(input: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\", \
    dimensions: [NETWORK], orderBy: [{ by: { measure: BYTES_TOTAL }, direction: DESC }], limit: 3 }) \
    { rows { network { name country } bytesTotal } totals { bytesTotal records activeSims } \
    provenance { table watermark complete } } }";

/// Loads what is missing and returns the banner.
pub(super) async fn load(config: &Config, url: &str) -> Result<String> {
    banner(config, url)
}

fn banner(config: &Config, url: &str) -> Result<String> {
    let sign = |role: Role, customer: Option<&str>| {
        let customer = customer.map(str::to_owned);
        let claims = Claims { tenant: TENANT.into(), role, customer, subject: None };
        token::sign(config, &claims, TTL)
    };
    let admin = sign(Role::TenantAdmin, None)?;
    let body = serde_json::json!({ "query": QUESTION }).to_string();
    let mut text = format!(
        "\nSimcube is ready.\n\n  Playground  {url}/#token={admin}\n  GraphQL     {url}/graphql\n\n\
         Development tokens for tenant {TENANT}, valid for 24 hours:\n\n"
    );
    for role in Role::ALL {
        let customer = (role == Role::CustomerUser).then_some("bosch");
        let name = customer.map_or_else(|| role.to_string(), |slug| format!("{role} ({slug})"));
        writeln!(text, "  {name}\n    {}", sign(role, customer)?)?;
    }
    write!(
        text,
        "\nUsage of tenant {TENANT}, by network:\n\n  curl -s {url}/graphql -H 'content-type: application/json' \\\n    \
         -H 'authorization: Bearer {admin}' \\\n    -d '{body}'\n\n"
    )?;
    Ok(text)
}
