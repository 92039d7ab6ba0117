//! The demo: a fleet loaded through the real intake on the first start, and what to try first.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use domain::{
    Clock as _, Db, Role, SystemClock, customer,
    grant::{self, GrantTarget},
    scope::Visibility,
    tenant::{self, NewTenant, Tenant},
};
use service::Entry;
use simulator::Endpoint;

use super::{say, simulate::administrator, stores::explain, token};
use crate::{auth::development::Claims, config::Config};

/// Demo tokens outlast a working day.
const TTL: Duration = Duration::from_hours(24);

/// The tenant that the banner is about.
const TENANT: &str = "alpha";

/// The demo's tenants, in the order of their plans.
const TENANTS: [&str; 2] = [TENANT, "beta"];

/// Subject of the viewer's development token.
const VIEWER: &str = "dev:viewer";

/// A question that has an answer as soon as there is usage.
const QUESTION: &str = "{ usage(input: { period: { preset: LAST_30_DAYS }, groupBy: [{ dimension: NETWORK }], \
    orderBy: [{ by: { measure: BYTES_TOTAL }, direction: DESC }], limit: 3, others: true }) \
    { rows { key { others network { network { name country } } } values { bytesTotal } } \
    totals { bytesTotal records activeSims } provenance { tables watermark complete } } }";

/// A file in the data folder that says that the demo is complete.
const MARK: &str = "demo.loaded";

/// Loads what is missing and returns the banner.
///
/// The moment of the tenant's creation decides on the records, so that a load that was cut short goes on with the
/// same ones and counts none of them twice.
pub(super) async fn load(config: &Config, db: &Db, entry: &Entry, url: &str) -> Result<String> {
    let mark = config.data.join(MARK);
    if !mark.exists() {
        for (index, slug) in TENANTS.into_iter().enumerate() {
            load_tenant(config, db, url, index, slug).await?;
            open(db, entry, slug)
                .await
                .map_err(|error| explain(&error))?;
        }
        std::fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    }
    banner(config, url)
}

async fn load_tenant(config: &Config, db: &Db, url: &str, index: usize, slug: &str) -> Result<()> {
    let tenant = ensure(db, slug).await.map_err(|error| explain(&error))?;
    if !tenant.simulated {
        bail!(
            "a tenant `{slug}` exists that is not the demo's; use another data folder for the demo"
        );
    }
    let plan = &simulator::demo(tenant.created_at)[index];
    say(format_args!(
        "loading the demo fleet of {slug}: {} SIMs, {} days of usage\n",
        plan.sims, plan.days
    ));
    let target = Endpoint::new(url, &administrator(config, slug)?)?;
    let progress = simulator::progress_bar();
    let summary = simulator::run(plan, &target, SystemClock.now(), &progress).await?;
    say(format_args!("{slug}: {summary}\n"));
    Ok(())
}

async fn ensure(db: &Db, slug: &str) -> domain::Result<Tenant> {
    let cx = db.system().await?;
    if let Some(tenant) = tenant::find(&cx, slug).await? {
        return Ok(tenant);
    }
    let name = slug[..1].to_uppercase() + &slug[1..];
    let tenant = tenant::create(
        &cx,
        NewTenant {
            slug: slug.into(),
            name,
            simulated: true,
        },
    )
    .await?;
    cx.commit().await?;
    Ok(tenant)
}

/// Lets the demo's users see something: Bosch everything, Dyer SIMs and usage, 3M devices only; the viewer Dyer.
async fn open(db: &Db, entry: &Entry, slug: &str) -> domain::Result<()> {
    let scope = entry.identify_operator(slug, "demo").await?;
    let sims_and_usage = Visibility {
        sims: true,
        usage: true,
        ..Visibility::default()
    };
    for (customer, visibility) in [
        ("bosch", Visibility::ALL),
        ("dyer", sims_and_usage),
        ("3m", Visibility::DEVICES_ONLY),
    ] {
        let customer = customer::get_by_slug(&db.read(&scope).await?, customer).await?;
        customer::set_visibility(db.write(&scope).await?, customer.id, visibility).await?;
        if customer.slug == "dyer" {
            let dyer = vec![GrantTarget::Customer(customer.id)];
            grant::add(db.write(&scope).await?, VIEWER, dyer).await?;
        }
    }
    Ok(())
}

fn banner(config: &Config, url: &str) -> Result<String> {
    let sign = |role: Role, customer: Option<&str>| {
        let customer = customer.map(str::to_owned);
        let claims = Claims {
            tenant: TENANT.into(),
            role,
            customer,
            subject: None,
        };
        token::sign(config, &claims, TTL)
    };
    let admin = sign(Role::TenantAdmin, None)?;
    let body = serde_json::json!({ "query": QUESTION }).to_string();
    let mut text = format!(
        "\nSimcube is ready.\n\n  Playground  {url}/#token={admin}\n  GraphQL     {url}/graphql\n\n\
         Development tokens for tenant {TENANT}, valid for 24 hours:\n\n"
    );
    for &role in Role::ALL {
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
