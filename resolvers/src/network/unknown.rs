//! `UnknownNetwork`.

use async_graphql::SimpleObject;

/// A network that usage names and the dictionary does not have.
#[derive(SimpleObject)]
pub(crate) struct UnknownNetwork {
    /// `MCC-MNC`, as usage names it.
    code: String,
    /// What it is called meanwhile: `Unknown (MCC/MNC)`.
    name: String,
}

impl UnknownNetwork {
    /// The network with this code.
    pub(crate) fn of(code: String) -> Self {
        Self {
            name: domain::network::unknown(&code),
            code,
        }
    }
}
