//! What callers may do over both stores, whatever surface they come through: GraphQL, intake, the command line, and those
//! that come later.
//!
//! There is one way in ([`Entry`]): verified claims become a [`Session`], and a session is what everything else takes. What
//! a caller may see is decided below, in `domain::scope`, and here where both stores meet; a surface adds nothing to it.

mod answers;
mod complete;
mod dictionary;
mod entry;
mod find;
mod hidden;
mod list;
mod reconcile;
mod record;
mod relation;
mod session;
mod sessions;
mod slices;
mod top;
mod turn;
mod usage;

pub use answers::{Basis, Question};
pub use dictionary::{load_networks, set_network};
pub use entry::{Deliverer, Entry, SessionDeliverer};
pub use find::Found;
pub use list::{count, list};
pub use record::UsageRecords;
pub use relation::{Asked, InventoryId, Relations, Resolved, Wants, inventory};
pub use session::Session;
pub use sessions::{AskedSessions, LastSeen, LiveSession, SessionEntry, SessionLog};
pub use top::{Share, TopNetworks};
pub use turn::Turn;
pub use usage::UsageRows;
