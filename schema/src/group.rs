//! Words about groups.

use domain::group;

use crate::word::word;

word! {
    /// What stands in the key of a group.
    KeyStatus = group::KeyStatus
}
