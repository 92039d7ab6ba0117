//! Simulated fleets, their usage records and their sessions, with the truth about them written down beforehand.
//!
//! A [`FleetPlan`] describes everything: the same plan always makes the same fleet, the same records and the same oracle, to
//! the byte. [`run()`] sends them through the real intake of a running server: first the fleet (mutation `importFleet`),
//! then the records over HTTP, faulty deliveries mixed in. Only the order of sending and the cut into batches vary
//! ([`FleetPlan::order_seed`], [`FleetPlan::batch`], and retries), and none of it may change the outcome.
//!
//! What has a topic can travel through Kafka instead ([`Topics`]): a card's messages keep their order there. [`live()`] sends day after day
//! of a plan as its time comes, until it is told to stop.
//!
//! Records are made in blocks of [`BLOCK_SIMS`] SIMs, so memory does not grow with the fleet. Within a block, deliveries
//! come in three waves: the records with their noise; then the late ones; and, after all of those are acknowledged, the
//! conflicting versions, of which none may ever count. Late rollups of sessions come in both later waves.

mod block;
mod dice;
mod fault;
mod fleet;
mod live;
mod noise;
pub mod oracle;
mod plan;
mod record;
mod run;
mod send;
mod session;
mod terrain;
mod topics;

pub use block::BLOCK_SIMS;
pub use fault::{Fault, Faults};
pub use live::live;
pub use plan::{FleetPlan, Via, demo};
pub use run::{Summary, progress_bar, run};
pub use send::{Endpoint, Error};
pub use topics::Topics;

#[cfg(test)]
mod tests;
