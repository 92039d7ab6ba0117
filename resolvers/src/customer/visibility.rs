//! `Visibility`.

use async_graphql::SimpleObject;
use domain::scope;

use crate::written::plain_columns;

/// Which areas are open.
#[derive(SimpleObject, Clone, Copy)]
pub(crate) struct Visibility {
    /// Devices.
    devices: bool,
    /// SIMs.
    sims: bool,
    /// Live sessions and the session log.
    sessions: bool,
    /// Usage.
    usage: bool,
    /// Costs and bills.
    billing: bool,
}

plain_columns!(Visibility {
    devices,
    sims,
    sessions,
    usage,
    billing,
});

impl From<scope::Visibility> for Visibility {
    fn from(visibility: scope::Visibility) -> Self {
        let scope::Visibility {
            devices,
            sims,
            sessions,
            usage,
            billing,
        } = visibility;
        Self {
            devices,
            sims,
            sessions,
            usage,
            billing,
        }
    }
}
