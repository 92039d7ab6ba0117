//! What somebody may see and do at a moment, kept with what is made under it.

use serde::{Deserialize, Serialize};

use super::{Role, Scope, Segments, Visibility};

/// Role, segments and open areas of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    role: Role,
    segments: Segments,
    visibility: Visibility,
}

impl Scope {
    /// What the caller may see and do now.
    pub fn rights(&self) -> Rights {
        Rights {
            role: self.role,
            segments: self.segments.clone(),
            visibility: self.visibility,
        }
    }

    /// Whether the caller still may see and do all that `then` says.
    pub fn still_has(&self, then: &Rights) -> bool {
        let (now, then_may) = (self.role.permissions(), then.role.permissions());
        then_may.iter().all(|permission| now.contains(permission))
            && self.visibility.covers(then.visibility)
            && self.segments.cover(&then.segments)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        id::{CustomerId, TenantId},
        identity::VerifiedClaims,
        scope::Segment,
    };

    fn scope(role: Role, segment: &Segment, visibility: Visibility) -> Scope {
        let customer = (role == Role::CustomerUser).then(|| "bosch".into());
        let claims = VerifiedClaims::new("eve".into(), "alpha".into(), role, customer);
        let tenant = TenantId::new(Uuid::nil());
        Scope::of_token(
            tenant,
            &claims.expect("claims"),
            segment.clone(),
            visibility,
        )
    }

    #[test]
    fn rights_hold_until_something_is_taken_away() {
        let customer = |n| CustomerId::new(Uuid::from_u128(n));
        let nothing = Segment::default();
        let whole = Segment {
            within: Some(customer(1)),
            ..Segment::default()
        };
        let granted = |customers: &[u128], of: &Segment| Segment {
            customers: customers.iter().map(|n| customer(*n)).collect(),
            ..of.clone()
        };
        let all = Visibility::ALL;
        let (viewer, user) = (Role::Viewer, Role::CustomerUser);
        for (now, then, holds) in [
            (
                scope(viewer, &granted(&[1, 2], &nothing), all),
                scope(viewer, &granted(&[1], &nothing), all),
                true,
            ),
            (
                scope(viewer, &granted(&[1], &nothing), all),
                scope(viewer, &granted(&[1, 2], &nothing), all),
                false,
            ),
            (
                scope(viewer, &nothing, all),
                scope(viewer, &granted(&[1], &nothing), all),
                false,
            ),
            (
                scope(viewer, &granted(&[1], &nothing), all),
                scope(viewer, &nothing, all),
                true,
            ),
            (
                scope(user, &whole, all),
                scope(user, &granted(&[1], &whole), all),
                true,
            ),
            // A grant narrows what a whole customer was.
            (
                scope(user, &granted(&[1], &whole), all),
                scope(user, &whole, all),
                false,
            ),
            (
                scope(user, &whole, Visibility::DEVICES_ONLY),
                scope(user, &whole, all),
                false,
            ),
            (
                scope(user, &whole, all),
                scope(user, &whole, Visibility::DEVICES_ONLY),
                true,
            ),
            (
                scope(Role::TenantAdmin, &nothing, all),
                scope(viewer, &granted(&[1], &nothing), all),
                true,
            ),
            (
                scope(viewer, &granted(&[1], &nothing), all),
                scope(Role::Support, &nothing, all),
                false,
            ),
            (
                scope(Role::Support, &nothing, all),
                scope(Role::TenantAdmin, &nothing, all),
                false,
            ),
        ] {
            let said = now.still_has(&then.rights());
            assert_eq!(said, holds, "{now:?} after {then:?}");
            assert!(then.still_has(&then.rights()));
        }
    }
}
