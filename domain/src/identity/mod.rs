//! From a verified token to a [`Scope`]. Tenant, customer, visibility switches and grants are read on every
//! request, so that a change takes effect with the next one (TEN-09, TEN-12).

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Code, Db, Error, Result, Role, Scope, SystemCx,
    id::{CustomerId, DeviceId, SimId, TenantId},
    scope::{Segment, Visibility},
    tenant::is_slug,
};

/// What a token said, after its signature, issuer, audience and times were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClaims {
    subject: String,
    tenant: String,
    role: Role,
    customer: Option<String>,
}

impl VerifiedClaims {
    /// Takes over the claims of a verified token.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when a claim cannot name anything here, or the claims contradict each other: a customer
    /// user needs a customer, and roles that see the whole tenant cannot be bound to one.
    pub fn new(
        subject: String,
        tenant: String,
        role: Role,
        customer: Option<String>,
    ) -> Result<Self> {
        let refuse = |why: &str| Err(Error::new(Code::Unauthenticated, why));
        if !(1..=200).contains(&subject.chars().count()) || subject.chars().any(char::is_control) {
            return refuse("the token's subject has 1 to 200 printable characters");
        }
        if !is_slug(&tenant) || customer.as_deref().is_some_and(|slug| !is_slug(slug)) {
            return Err(nobody());
        }
        match (role, &customer) {
            (Role::CustomerUser, None) => refuse("a customer_user's token names a customer"),
            (Role::PlatformAdmin | Role::TenantAdmin | Role::Support | Role::Ingest, Some(_)) => {
                refuse("a token of this role names no customer")
            }
            _ => Ok(Self {
                subject,
                tenant,
                role,
                customer,
            }),
        }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether grants narrow or widen what this role sees.
    fn has_segments(&self) -> bool {
        matches!(self.role, Role::Viewer | Role::CustomerUser)
    }
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    customer_id: Option<Uuid>,
    see_devices: bool,
    see_sims: bool,
    see_sessions: bool,
    see_usage: bool,
    see_billing: bool,
    granted_customer: Option<Uuid>,
    granted_sim: Option<Uuid>,
    granted_device: Option<Uuid>,
}

/// One row per grant, and one row when there is none.
const RESOLVE: &str = "\
SELECT t.tenant_id, c.customer_id,
       coalesce(c.see_devices, false) AS see_devices, coalesce(c.see_sims, false) AS see_sims,
       coalesce(c.see_sessions, false) AS see_sessions, coalesce(c.see_usage, false) AS see_usage,
       coalesce(c.see_billing, false) AS see_billing,
       g.customer_id AS granted_customer, g.sim_id AS granted_sim, g.device_id AS granted_device
  FROM tenant t
  LEFT JOIN customer c ON c.tenant_id = t.tenant_id AND c.slug = $2 AND c.archived_at IS NULL
  LEFT JOIN segment_grant g ON g.tenant_id = t.tenant_id AND g.subject = $3
 WHERE t.slug = $1";

/// The scope of one request.
///
/// # Errors
/// `UNAUTHENTICATED` when the tenant or the customer does not exist, `UNAVAILABLE` when the store does not answer.
pub async fn resolve(db: &Db, claims: &VerifiedClaims) -> Result<Scope> {
    let cx = db.system().await?;
    let rows = read(&cx, claims).await?;
    let first = rows.first().ok_or_else(nobody)?;
    if claims.customer.is_some() && first.customer_id.is_none() {
        return Err(nobody());
    }
    let mut segment = Segment {
        within: first.customer_id.map(CustomerId::new),
        ..Segment::default()
    };
    for row in &rows {
        segment
            .customers
            .extend(row.granted_customer.map(CustomerId::new));
        segment.sims.extend(row.granted_sim.map(SimId::new));
        segment
            .devices
            .extend(row.granted_device.map(DeviceId::new));
    }
    let visibility = Visibility {
        devices: first.see_devices,
        sims: first.see_sims,
        sessions: first.see_sessions,
        usage: first.see_usage,
        billing: first.see_billing,
    };
    let tenant = TenantId::new(first.tenant_id);
    Ok(Scope::verified(
        tenant,
        claims.subject.clone(),
        claims.role,
        segment,
        visibility,
    ))
}

async fn read(cx: &SystemCx, claims: &VerifiedClaims) -> Result<Vec<Row>> {
    let subject = claims.has_segments().then(|| claims.subject.clone());
    cx.all::<Row>(
        RESOLVE,
        [
            claims.tenant.as_str().into(),
            claims.customer.clone().into(),
            subject.into(),
        ],
    )
    .await
}

/// One answer for an unknown tenant and an unknown customer: a token does not probe what exists.
fn nobody() -> Error {
    Error::new(
        Code::Unauthenticated,
        "the token names a tenant or customer that does not exist",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(tenant: &str, role: Role, customer: Option<&str>) -> Result<VerifiedClaims> {
        VerifiedClaims::new(
            "someone".into(),
            tenant.into(),
            role,
            customer.map(str::to_owned),
        )
    }

    #[test]
    fn claims_that_contradict_each_other_are_refused() {
        assert!(claims("alpha", Role::CustomerUser, Some("bosch")).is_ok());
        assert!(claims("alpha", Role::Viewer, None).is_ok());
        for (tenant, role, customer) in [
            ("alpha", Role::CustomerUser, None),
            ("alpha", Role::TenantAdmin, Some("bosch")),
            ("al\0pha", Role::TenantAdmin, None),
            ("", Role::TenantAdmin, None),
            ("alpha", Role::Viewer, Some("BOSCH")),
        ] {
            let code = claims(tenant, role, customer).map_err(|e| e.code());
            assert_eq!(code, Err(Code::Unauthenticated));
        }
    }

    #[test]
    fn a_subject_is_printable() {
        let made = VerifiedClaims::new("a\0b".into(), "alpha".into(), Role::Support, None);
        assert!(made.is_err());
    }
}
