//! Of which part of a tenant a file is: two callers who ask the same are not given the same.

use domain::{
    Permission, Role, Scope,
    id::CustomerId,
    scope::{Segment, Segments},
};
use serde::Serialize;

/// What of the tenant whoever asked sees, as far as they may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The role of whoever asked.
    pub role: Role,
    /// Whether it is the whole tenant. What follows is said of a part only.
    pub whole_tenant: bool,
    /// The one customer that the token names: nothing of others is in the file, whatever was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<CustomerId>,
    /// The customers that are seen as a whole, in order of their identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customers: Option<Vec<CustomerId>>,
    /// How many SIMs were granted one by one, where SIMs are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sims: Option<usize>,
    /// How many devices were granted one by one, where devices are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<usize>,
}

impl From<&Scope> for Seen {
    fn from(scope: &Scope) -> Self {
        let all = Self {
            role: scope.role(),
            whole_tenant: true,
            within: None,
            customers: None,
            sims: None,
            devices: None,
        };
        let Segments::Part(segment) = scope.segments() else {
            return all;
        };
        let Segment {
            within,
            customers,
            sims,
            devices,
        } = segment;
        let of = |permission, grants: usize| scope.may(permission).then_some(grants);
        // Without grants the token's customer is seen as a whole, and of those that were granted no other one is.
        let whole = match within {
            Some(own) if !segment.has_grants() => vec![*own],
            _ => (customers.iter().copied())
                .filter(|customer| scope.segments().show(*customer))
                .collect(),
        };
        Self {
            whole_tenant: false,
            within: *within,
            customers: scope.may(Permission::CustomersRead).then_some(whole),
            sims: of(Permission::SimsRead, sims.len()),
            devices: of(Permission::DevicesRead, devices.len()),
            ..all
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        id::{DeviceId, SimId, TenantId},
        identity::VerifiedClaims,
        scope::Visibility,
    };
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const ID: &str = "cus_0000000000000000000000000000000";

    fn customer(n: u128) -> CustomerId {
        CustomerId::new(Uuid::from_u128(n))
    }

    fn said(role: Role, segment: Segment, visibility: Visibility) -> Value {
        let customer = (role == Role::CustomerUser).then(|| "bosch".into());
        let claims = VerifiedClaims::new("eve".into(), "alpha".into(), role, customer);
        let tenant = TenantId::new(Uuid::nil());
        let scope = Scope::of_token(tenant, &claims.expect("claims"), segment, visibility);
        serde_json::to_value(Seen::from(&scope)).expect("JSON")
    }

    #[test]
    fn a_file_of_a_part_is_told_from_one_of_all_and_from_one_of_nothing() {
        let (all, nothing) = (Visibility::ALL, Segment::default());
        for role in [Role::PlatformAdmin, Role::TenantAdmin, Role::Support] {
            let whole = json!({ "role": role.as_ref(), "wholeTenant": true });
            assert_eq!(said(role, nothing.clone(), all), whole);
        }
        let none = json!({ "role": "viewer", "wholeTenant": false, "customers": [], "sims": 0, "devices": 0 });
        assert_eq!(said(Role::Viewer, nothing.clone(), all), none);
        let granted = Segment {
            customers: [customer(2), customer(1)].into(),
            sims: (1..4).map(|n| SimId::new(Uuid::from_u128(n))).collect(),
            devices: [DeviceId::new(Uuid::from_u128(1))].into(),
            ..nothing
        };
        let some = json!({
            "role": "viewer", "wholeTenant": false, "customers": [format!("{ID}1"), format!("{ID}2")],
            "sims": 3, "devices": 1
        });
        assert_eq!(said(Role::Viewer, granted, all), some);
    }

    #[test]
    fn nothing_is_said_of_other_customers_and_of_closed_areas() {
        let own = Segment {
            within: Some(customer(1)),
            ..Segment::default()
        };
        let user = |segment, visibility| said(Role::CustomerUser, segment, visibility);
        let whole = json!({
            "role": "customer_user", "wholeTenant": false, "within": format!("{ID}1"),
            "customers": [format!("{ID}1")], "sims": 0, "devices": 0
        });
        assert_eq!(user(own.clone(), Visibility::ALL), whole);
        let others = Segment {
            customers: [customer(2)].into(),
            sims: [SimId::new(Uuid::from_u128(1))].into(),
            ..own
        };
        let said = user(others, Visibility::DEVICES_ONLY);
        let part = json!({
            "role": "customer_user", "wholeTenant": false, "within": format!("{ID}1"),
            "customers": [], "devices": 0
        });
        assert_eq!(said, part);
    }
}
