//! Data sets as files: CSV, Excel, Parquet, Arrow and NDJSON, with a manifest that says what a file holds and how to check it.
//!
//! A [`DataSet`] is a registry's entry: its columns, and who may see each. [`Export`] asks one of them within what a session may see and
//! writes the rows to whatever takes bytes; the same columns serve all formats. [`Record`] is the same vocabulary for rows of one Rust
//! type, which are also read back ([`read`]).
//!
//! The same rows give the same bytes: nothing in a file depends on the time, the machine or the library's build. What does, is in the
//! manifest beside it.
//!
//! **Memory** does not grow with the answer. Of a list it is one page of 2,000 rows with what they are related to, of usage and its
//! records 2,000 rows, of the accounting of intake 10,000; of a file three batches ([`BATCH`] rows: one is gathered, one waits, one is
//! encoded) and three row groups of Parquet ([`ROW_GROUP_BYTES`] as encoded, in the same way), while rows of Excel spool to the disk's
//! folder for temporary files, [`SPOOL`] bytes of them at most. Usage that is put together of slices spools there, too, 8 GiB at most, and holds
//! 64 KiB of each of at most 256 slices. The usage store groups and sorts beyond 256 MiB each on its disk. Nothing
//! reads further ahead, so a slow disk slows the statement. ARCHITECTURE.md has the sum.

mod answer;
mod buffer;
mod coder;
mod column;
mod dataset;
mod error;
mod file;
mod files;
mod form;
mod format;
mod job;
mod link;
mod manifest;
mod order;
mod parts;
mod reader;
mod record;
mod run;
mod schedule;
mod seen;
mod writer;

pub use answer::{Answer, answer};
pub use column::{Cell, Column, Kind};
pub use dataset::{AccountingQuestion, Asked, AuditQuestion, DataSet, Request, SCHEMA_VERSION};
pub use error::Error;
pub use file::{to_file, to_folder};
pub use files::Files;
pub use form::{Compression, Dialect, Form, Separator};
pub use format::{
    Format,
    parquet::{BATCH, ROW_GROUP, ROW_GROUP_BYTES},
    xlsx::SPOOL,
};
pub use job::{Download, Exports, Settings};
pub use link::Link;
pub use manifest::{Contents, Foreseen, Head, Manifest, Span};
pub use order::{Order, Partition};
pub use parts::Part;
pub use reader::{Records, read};
pub use record::{FileRow, Record};
pub use run::{Begun, Export, Progress};
pub use seen::Seen;
pub use writer::Writer;
