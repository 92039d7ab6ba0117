//! What a verified token says.

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result, Role, text::is_slug};

/// What a token said, after its signature, issuer, audience and times were checked. A job keeps that of whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerifiedClaims {
    pub(super) subject: String,
    pub(super) tenant: String,
    role: Role,
    pub(super) customer: Option<String>,
}

impl VerifiedClaims {
    /// Slug of the tenant that the token was made for.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

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

    /// Who it is, as written to the audit log.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        let texts = [
            Some(&self.subject),
            Some(&self.tenant),
            self.customer.as_ref(),
        ];
        texts.into_iter().flatten().map(String::len).sum()
    }

    /// Whether grants narrow or widen what this role sees.
    pub(super) fn has_segments(&self) -> bool {
        matches!(self.role, Role::Viewer | Role::CustomerUser)
    }
}

/// One answer for an unknown tenant and an unknown customer: a token does not probe what exists.
pub(super) fn nobody() -> Error {
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
