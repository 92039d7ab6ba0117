//! Queries about networks.

use schema::network::{NetworkFilter, NetworkOrder};

use super::Network;
use crate::connection::list_query;

list_query! {
    /// The network dictionary.
    NetworkList: networks(NetworkFilter, NetworkOrder) -> Network
}
