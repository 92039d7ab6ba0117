//! Words about who somebody is and what they may do.

use domain::scope;

use crate::word::word;

word! {
    /// A role: a named set of permissions.
    Role = scope::Role
}

word! {
    /// What an operation needs.
    Permission = scope::Permission
}
