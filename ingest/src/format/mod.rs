//! Event formats: pure decoders from the bytes of one record to a [`Cdr`] or a [`session::Rollup`], or the reason why it is refused.
//!
//! A decoder looks at one record only, so one bad record never spoils its neighbours. Fields are read as raw JSON text
//! and interpreted one by one: a number keeps its digits (no float is ever made of it), and a record whose volume is
//! wrong is still known by its identity. Unknown fields are ignored, known ones given twice are refused.
//!
//! Nothing here knows tenants, SIMs or the present time: an ICCID may be unknown and a time outside the horizon.

mod cloud_events;
mod data_streamer;
mod field;
mod message;
mod native;
mod rollup;

use chrono::{DateTime, Utc};
pub use domain::usage::Service;
use domain::{
    Error, Result, identifier::Iccid, journal::RejectionCode, radio_access::RadioAccess, session,
};
pub use message::{Event, Keyed, keyed};
use serde::Deserialize;

/// Most bytes of a source or a record id.
pub const MAX_ID_BYTES: usize = 256;
/// Most characters of a message about a refused record.
const MAX_MESSAGE_CHARS: usize = 300;

/// A decoded usage record: an increment, identified by `source` and `record_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cdr {
    /// The stream that the id is unique in.
    pub source: String,
    /// The record's id within its source.
    pub record_id: String,
    /// The card, as sent.
    pub iccid: Iccid,
    /// `MCC-MNC`, empty when the record names no network.
    pub network: String,
    /// How the SIM was connected.
    pub rat: RadioAccess,
    /// What was used.
    pub service: Service,
    /// Event time, whole milliseconds.
    pub start: DateTime<Utc>,
    /// Not before `start`, whole milliseconds.
    pub end: DateTime<Utc>,
    /// Bytes from the device.
    pub bytes_up: u64,
    /// Bytes to the device.
    pub bytes_down: u64,
    /// Messages or seconds, as the source counts them.
    pub units: u64,
}

/// Why a record is refused, with as much of it as could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The code.
    pub code: RejectionCode,
    /// The reason for people, without the record's own values.
    pub message: String,
    /// Source, empty when the record names none.
    pub source: String,
    /// Record id, when there is one.
    pub record_id: Option<String>,
    /// `start`, when it is a time.
    pub event_at: Option<DateTime<Utc>>,
    /// Not even JSON, or too long to look. A body of nothing else is refused as a whole.
    pub unreadable: bool,
}

impl Rejection {
    /// The rejection of a record that could be decoded.
    pub(crate) fn of(cdr: Cdr, code: RejectionCode, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
            source: cdr.source,
            record_id: Some(cdr.record_id),
            event_at: Some(cdr.start),
            unreadable: false,
        }
    }

    /// A record of which nothing could be read.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self {
            code: RejectionCode::Malformed,
            message: message.into(),
            source: String::new(),
            record_id: None,
            event_at: None,
            unreadable: true,
        }
    }
}

/// Who describes usage in which shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Our own `cdr` event.
    Native,
    /// A CloudEvents 1.0 envelope around the `cdr` event.
    CloudEvent,
    /// An emnify or 1NCE usage record of the named stream.
    DataStreamer {
        /// `data-streamer/NAME`.
        source: String,
    },
}

impl Shape {
    /// The source of every record, when the records themselves do not say; empty otherwise.
    pub fn source(&self) -> &str {
        match self {
            Self::DataStreamer { source } => source,
            Self::Native | Self::CloudEvent => "",
        }
    }
}

/// How records follow each other in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A JSON array of records, or records one after the other. Read whole, so limited in size.
    Json,
    /// One record per line. Streamed, so not limited in size.
    Lines,
}

/// Shape and framing of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Of each record.
    pub shape: Shape,
    /// Of the body.
    pub framing: Framing,
}

impl Framing {
    /// How rollups of sessions follow each other, by media type; JSON when none is given.
    ///
    /// # Errors
    /// `INVALID_INPUT` for another media type.
    pub fn of_rollups(content_type: Option<&str>) -> Result<Self> {
        of_json(content_type)
    }
}

impl Format {
    /// Native records or CloudEvents, by media type; JSON when none is given.
    ///
    /// # Errors
    /// `INVALID_INPUT` for another media type.
    pub fn of_records(content_type: Option<&str>) -> Result<Self> {
        let (shape, framing) = match media_type(content_type).as_str() {
            "application/json" => (Shape::Native, Framing::Json),
            "application/cloudevents+json" | "application/cloudevents-batch+json" => {
                (Shape::CloudEvent, Framing::Json)
            }
            other if is_lines(other) => (Shape::Native, Framing::Lines),
            _ => {
                return Err(Error::invalid(
                    "unsupported content type: use application/json, application/x-ndjson or \
                     application/cloudevents-batch+json",
                ));
            }
        };
        Ok(Self { shape, framing })
    }

    /// Records of the Data Streamer `stream`, a name of 1 to 100 letters, digits, `.`, `_` and `-`. It is part of the
    /// records' source, because ids are unique per stream only.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a bad name or another media type.
    pub fn of_data_streamer(stream: &str, content_type: Option<&str>) -> Result<Self> {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=100).contains(&stream.len()) || !stream.bytes().all(known) {
            return Err(Error::invalid(
                "a stream's name has 1 to 100 letters, digits, dots, underscores and hyphens",
            ));
        }
        let framing = of_json(content_type)?;
        let source = format!("data-streamer/{stream}");
        Ok(Self {
            shape: Shape::DataStreamer { source },
            framing,
        })
    }
}

fn of_json(content_type: Option<&str>) -> Result<Framing> {
    match media_type(content_type).as_str() {
        "application/json" => Ok(Framing::Json),
        other if is_lines(other) => Ok(Framing::Lines),
        _ => Err(Error::invalid(
            "unsupported content type: use application/json or application/x-ndjson",
        )),
    }
}

fn media_type(content_type: Option<&str>) -> String {
    let text = content_type.unwrap_or("application/json");
    let (name, _) = text.split_once(';').unwrap_or((text, ""));
    name.trim().to_ascii_lowercase()
}

fn is_lines(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
    )
}

/// Decodes one record.
///
/// # Errors
/// A [`Rejection`], which is data: it is stored and counted.
pub fn decode(shape: &Shape, bytes: &[u8]) -> Result<Cdr, Box<Rejection>> {
    let mut known = Known {
        source: shape.source().to_owned(),
        ..Known::default()
    };
    let decoded = json_object(bytes).and_then(|text| match shape {
        Shape::Native => native::decode(text, &mut known),
        Shape::CloudEvent => cloud_events::decode(text, &mut known),
        Shape::DataStreamer { .. } => data_streamer::decode(text, &mut known),
    });
    decoded.map_err(|fault| Box::new(fault.of(known)))
}

/// Decodes one rollup of a session. What is said of one that is refused names nothing that tenants are not shown.
///
/// # Errors
/// A [`Rejection`], which is data: it is stored and counted.
pub fn decode_rollup(bytes: &[u8]) -> Result<session::Rollup, Box<Rejection>> {
    let mut known = Known {
        source: session::SOURCE.to_owned(),
        ..Known::default()
    };
    let decoded = json_object(bytes).and_then(|text| rollup::decode(text, &mut known));
    decoded.map_err(|fault| Box::new(fault.of(known)))
}

/// What is known of a record while it is being decoded.
#[derive(Default)]
struct Known {
    source: String,
    record_id: Option<String>,
    event_at: Option<DateTime<Utc>>,
}

impl Known {
    /// Moves the identity into a decoded record.
    fn take_identity(&mut self) -> (String, String) {
        let record_id = self.record_id.take().unwrap_or_default();
        (std::mem::take(&mut self.source), record_id)
    }
}

/// Why decoding stopped.
struct Fault {
    code: RejectionCode,
    message: String,
    unreadable: bool,
}

impl Fault {
    fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            unreadable: false,
        }
    }

    fn malformed(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Malformed, message)
    }

    /// The rejection of a record of which so much is known.
    fn of(self, known: Known) -> Rejection {
        Rejection {
            code: self.code,
            message: self.message.chars().take(MAX_MESSAGE_CHARS).collect(),
            source: known.source,
            record_id: known.record_id,
            event_at: known.event_at,
            unreadable: self.unreadable,
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let unreadable = !matches!(error.classify(), Category::Data);
        Self {
            code: RejectionCode::Malformed,
            message: error.to_string(),
            unreadable,
        }
    }
}

/// The text of one record, which is a JSON object (an array would pass for one: serde reads both).
fn json_object(bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault {
        unreadable: true,
        ..Fault::malformed("the record is not UTF-8")
    })?;
    match text.trim_start().as_bytes().first() {
        Some(b'{') => Ok(text),
        Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            serde_json::from_str::<serde::de::IgnoredAny>(text)?;
            Err(Fault::malformed("a record is a JSON object"))
        }
        _ => Err(Fault {
            unreadable: true,
            ..Fault::malformed("a record is a JSON object")
        }),
    }
}

/// Parses the fields that a format knows.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    Ok(serde_json::from_str(text)?)
}
