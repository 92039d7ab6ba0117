//! Fleet import: one CSV becomes customers, SIMs, devices, labels and the history of who a SIM belonged to.
//!
//! Columns go by their header, in any order. `iccid` and `state` are required; `customer`, `imsi`, `msisdn`,
//! `device`, `device_kind`, `labels` and `device_labels` (`key=value;key=value`), `simulated` and `valid_from` are
//! optional; any other is refused by name. A column that is absent leaves what is stored alone. In `customer` and `device` an empty
//! cell is a statement (unassigned, in no device); elsewhere it leaves what is stored alone.
//!
//! **History.** A row with `valid_from` says: from this moment the SIM belongs to this customer and sits in this
//! device, until the next moment that is known, from this file or an earlier one. So a history can arrive whole or
//! month by month, and the same file twice changes nothing. A row that says what holds already leaves no trace. A lone row without `valid_from` holds since the
//! beginning of time when the SIM has no history yet, and otherwise from now on, unless it holds already.
//!
//! **Devices** go with their SIMs: a device belongs to the customer of the SIM that sits in it, from the moment that the SIM
//! is put in or changes its customer; of several SIMs, the one that was assigned or put in last decides. A device without a SIM stays
//! whose it was.
//!
//! **Labels**. `labels` are the SIM's, of its latest row; `device_labels` are the device's that the row names,
//! and a row that names none is refused (`INVALID_LABEL`). A label that is not named stays. Both share the tenant's
//! definitions: a new key becomes free text, and a value outside a definition's options is refused. Device labels have no
//! history: where rows contradict each other about a device, the one taken last counts (one SIM's rows by `valid_from`).
//!
//! **Counted usage stands.** Customer and device are written into a usage record and into a rollup of a session when it is taken in, so a change that
//! would reach into usage already counted is refused (`USAGE_ALREADY_COUNTED`). Usage may lie ahead of the clock, so this is
//! asked of a change from now on, too. While accepted usage of the tenant is not counted yet it may be any SIM's and of any
//! time: the import waits a moment for it, and then refuses changes of known SIMs. New SIMs have no usage.
//!
//! An archived customer keeps the SIMs it has and is given no others (`CUSTOMER_ARCHIVED`); rows about its past are accepted.
//!
//! A SIM is taken whole or not at all: a bad row refuses the other rows of its ICCID too, because a history with a
//! hole would be wrong; rows of other SIMs go on.

mod chunk;
mod error;
mod import;
mod known;
mod model;
mod owner;
mod parse;
mod plan;
mod slug;
mod store;
mod timeline;
mod usage;

pub use chunk::{CHUNK_ROWS, Chunk, Chunks, HISTORY_ROWS, chunks};
pub use error::FleetError;
pub use import::{WHOLE_ROWS, import, import_file, import_whole};
pub use model::{COLUMNS, Cell, ERRORS_KEPT, FleetRow, Report, RowCode, RowError, StateWord};
pub use parse::{Rows, parse};
pub use slug::slug;
pub use usage::{CountedUsage, Patience};
