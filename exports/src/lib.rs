//! Typed Parquet files: rows of one Rust type out, the same rows back in.
//!
//! A [`Record`] names its columns once; [`Writer`] and [`read`] both go by that. Memory is bounded by one row group of
//! [`ROW_GROUP`] rows, whatever the file's size. The same rows always give the same bytes: nothing in the file depends
//! on the time, the machine or the library's build.

mod error;
mod reader;
mod record;
mod writer;

pub use error::Error;
pub use reader::{Records, read};
pub use record::{Cell, Column, FileRow, Kind, Record};
pub use writer::{ROW_GROUP, Writer};
