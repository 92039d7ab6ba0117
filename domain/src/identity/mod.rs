//! From a verified token to a [`Scope`]. Whether tenant, customer, visibility switches and grants are as they were is asked
//! with every request, so that a change takes effect with the next one.

pub(crate) mod claims;
mod known;

use std::sync::LazyLock;

pub use claims::VerifiedClaims;
use claims::nobody;
pub use known::Known;
use uuid::Uuid;

use crate::{
    Db, Result, Scope, SystemCx,
    id::{CustomerId, DeviceId, SimId, TenantId},
    row::{Columns, Decode},
    scope::{Segment, Visibility},
    tenant::{self, Settings, TenantError},
    version,
};

/// What is stored about a caller: a row for each grant, and one when there is none.
struct Row {
    tenant: TenantId,
    marks: Vec<Uuid>,
    customer: Option<CustomerId>,
    visibility: Visibility,
    granted_customer: Option<CustomerId>,
    granted_sim: Option<SimId>,
    granted_device: Option<DeviceId>,
    settings: Settings,
}

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            marks: row.get()?,
            customer: row.get()?,
            visibility: Visibility {
                devices: row.get()?,
                sims: row.get()?,
                sessions: row.get()?,
                usage: row.get()?,
                billing: row.get()?,
            },
            granted_customer: row.get()?,
            granted_sim: row.get()?,
            granted_device: row.get()?,
            settings: Settings::decode(row)?,
        })
    }
}

/// What is stored about the caller of a token: tenant, customer, subject.
static RESOLVE: LazyLock<String> = LazyLock::new(|| {
    format!("\
SELECT t.tenant_id, ARRAY(SELECT mark FROM version v WHERE v.tenant_id = t.tenant_id AND v.subject = 'access'), c.customer_id,
       coalesce(c.see_devices, false), coalesce(c.see_sims, false), coalesce(c.see_sessions, false),
       coalesce(c.see_usage, false), coalesce(c.see_billing, false),
       g.customer_id, g.sim_id, g.device_id, {}
  FROM tenant t
  LEFT JOIN customer c ON c.tenant_id = t.tenant_id AND c.slug = $2 AND c.archived_at IS NULL
  LEFT JOIN segment_grant g ON g.tenant_id = t.tenant_id AND g.subject = $3
 WHERE t.slug = $1",
        tenant::settings_columns("t")
    )
});

/// The scope of a verified token.
///
/// # Errors
/// `UNAUTHENTICATED` when the tenant or the customer does not exist, `UNAVAILABLE` when the store does not answer.
async fn resolve(db: &Db, claims: &VerifiedClaims) -> Result<Scope> {
    let cx = db.system().await?;
    let rows = read(&cx, claims).await?;
    let first = rows.first().ok_or_else(nobody)?;
    if claims.customer.is_some() && first.customer.is_none() {
        return Err(nobody());
    }
    let mut segment = Segment {
        within: first.customer,
        ..Segment::default()
    };
    for row in &rows {
        segment.customers.extend(row.granted_customer);
        segment.sims.extend(row.granted_sim);
        segment.devices.extend(row.granted_device);
    }
    let scope = Scope::of_token(first.tenant, claims, segment, first.visibility);
    Ok(scope
        .under(first.settings)
        .made_under(version::of_marks(&first.marks)))
}

async fn read(cx: &SystemCx, claims: &VerifiedClaims) -> Result<Vec<Row>> {
    let subject = claims.has_segments().then(|| claims.subject().to_owned());
    cx.all(
        &RESOLVE,
        [
            claims.tenant.as_str().into(),
            claims.customer.clone().into(),
            subject.into(),
        ],
    )
    .await
}

/// The scope of the person at the server's terminal, who administers the tenant with this slug and is written to the audit
/// log as `actor`.
///
/// # Errors
/// `NOT_FOUND` when there is no such tenant, `UNAVAILABLE` when the store does not answer.
pub async fn operator(db: &Db, slug: &str, actor: &str) -> Result<Scope> {
    let tenant = tenant::find(&db.system().await?, slug).await?;
    let tenant = tenant.ok_or(TenantError::NotFound)?;
    Ok(Scope::of_operator(tenant.id, actor).under(tenant.settings))
}
