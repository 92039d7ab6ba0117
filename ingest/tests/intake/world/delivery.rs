//! Records as senders make them, and how they are delivered and answered.

use std::{convert::Infallible, fmt::Display};

use bytes::Bytes;
use domain::Result;
use futures::{Stream, stream};
use ingest::{
    format::Format,
    pipeline::{Account, Intake},
    read::Encoding,
};

use super::Caller;

/// A native record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) iccid: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) up: String,
    pub(crate) down: String,
}

pub(crate) fn record(id: impl Display, iccid: &str) -> Record {
    Record {
        id: format!("{id}"),
        source: "pgw-1".into(),
        iccid: iccid.into(),
        start: "2026-03-15T10:00:00Z".into(),
        end: "2026-03-15T10:05:00Z".into(),
        up: "100".into(),
        down: "1000".into(),
    }
}

/// What is sent, about a card.
pub(crate) trait Event {
    fn iccid(&self) -> &str;

    fn json(&self) -> String;
}

impl Event for Record {
    fn iccid(&self) -> &str {
        &self.iccid
    }

    fn json(&self) -> String {
        self.json()
    }
}

impl Record {
    pub(crate) fn json(&self) -> String {
        let Self {
            id,
            source,
            iccid,
            start,
            end,
            up,
            down,
        } = self;
        format!(
            "{{\"record_id\":\"{id}\",\"source\":\"{source}\",\"iccid\":\"{iccid}\",\"mcc_mnc\":\"262-02\",\
             \"radio_access_type\":\"LTE\",\"service\":\"DATA\",\"start\":\"{start}\",\"end\":\"{end}\",\
             \"bytes_up\":{up},\"bytes_down\":{down}}}"
        )
    }
}

pub(crate) fn array(records: &[Record]) -> String {
    let records: Vec<_> = records.iter().map(Record::json).collect();
    format!("[{}]", records.join(","))
}

pub(crate) fn lines(records: &[Record]) -> String {
    records.iter().map(|record| record.json() + "\n").collect()
}

pub(crate) fn body(
    bytes: impl Into<Vec<u8>>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + Unpin + 'static {
    let chunks: Vec<_> = bytes
        .into()
        .chunks(10_000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

pub(crate) async fn post_json(intake: &Intake, caller: &Caller, text: &str) -> Result<Account> {
    let format = Format::of_records(None)?;
    intake
        .submit(&caller.deliverer, &format, Encoding::Identity, body(text))
        .await
}

pub(crate) async fn post_lines(intake: &Intake, caller: &Caller, text: &str) -> Result<Account> {
    let format = Format::of_records(Some("application/x-ndjson"))?;
    intake
        .submit(&caller.deliverer, &format, Encoding::Identity, body(text))
        .await
}

pub(crate) async fn post_stream(
    intake: &Intake,
    caller: &Caller,
    stream: &str,
    text: &str,
) -> Result<Account> {
    let format = Format::of_data_streamer(stream, Some("application/json; charset=utf-8"))?;
    intake
        .submit(&caller.deliverer, &format, Encoding::Identity, body(text))
        .await
}

/// received, accepted, duplicate, rejected.
pub(crate) fn numbers(reply: &Account) -> [u64; 4] {
    assert_eq!(
        reply.received,
        reply.accepted + reply.duplicate + reply.rejected
    );
    [
        reply.received,
        reply.accepted,
        reply.duplicate,
        reply.rejected,
    ]
}

/// Codes of the listed rejections, in order.
pub(crate) fn codes(reply: &Account) -> Vec<&str> {
    reply
        .rejections
        .iter()
        .map(|rejected| rejected.code.as_ref())
        .collect()
}
