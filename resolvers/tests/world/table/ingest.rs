//! What was delivered: batches, accounting, records and their rejections.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, ways};
use crate::world::{
    Caller,
    at::{At, Which},
    rich::REASON,
};

/// Newest first: the one in quarantine, then the one that is counted.
fn batches(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0), Which::Nth(1)]
}

/// By name: the one that delivers, then the one that is retired.
fn sources(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0), Which::Nth(1)]
}

fn counted(_: Caller) -> Vec<Which> {
    vec![Which::Nth(1)]
}

/// The hours are in order: the counted batch came first.
fn hours(_: Caller) -> Vec<Which> {
    vec![Which::Nth(1), Which::Nth(0)]
}

fn pick(at: &At<'_>, quarantined: Value, counted: Value) -> Value {
    if at.n() == 0 { quarantined } else { counted }
}

fn records(at: &At<'_>) -> u64 {
    at.n() as u64 + 1
}

ways! { WAYS:
    "IngestBatch" Staff "{ ingestBatches(first: 10) { nodes { % } } }" => batches;
    "IngestBatch" Staff "{ ingestBatches(first: 10) { edges { node { % } } } }" => batches;
    "IngestBatch" Staff "{ node(id: $batch) { ... on IngestBatch { % } } }" => counted;
    "IngestBatch" Staff "{ ingestRecord(source: $source, recordId: $record) { batch { % } } }" => counted;
    "IngestBatchConnection" Staff "{ ingestBatches(first: 10) { % } }" => one;
    "IngestBatchEdge" Staff "{ ingestBatches(first: 10) { edges { % } } }" => batches;
    "IngestAccounting" Staff "{ ingestAccounting(from: \"2026-11-21T00:00:00Z\", to: \"2026-11-22T00:00:00Z\") { % } }" => hours;
    "IngestSource" Staff "{ ingestSources { % } }" => sources;
    "IngestRecord" Staff "{ ingestRecord(source: $source, recordId: $record) { % } }" => one;
    "QuarantinedMessage" Platform "{ ingestQuarantine(first: 10) { nodes { % } } }" => one;
    "QuarantinedMessage" Platform "{ ingestQuarantine(first: 10) { edges { node { % } } } }" => one;
    "QuarantinedMessageConnection" Platform "{ ingestQuarantine(first: 10) { % } }" => one;
    "QuarantinedMessageEdge" Platform "{ ingestQuarantine(first: 10) { edges { % } } }" => one;
    "IngestRejection" Staff "{ ingestRejections(first: 10) { nodes { % } } }" => one;
    "IngestRejection" Staff "{ ingestRejections(first: 10) { edges { node { % } } } }" => one;
    "IngestRejection" Staff "{ ingestRecord(source: $source, recordId: $record) { rejections { % } } }" => one;
    "IngestRejectionConnection" Staff "{ ingestRejections(first: 10) { % } }" => one;
    "IngestRejectionEdge" Staff "{ ingestRejections(first: 10) { edges { % } } }" => one;
}

rows! { ROWS:
    "IngestBatch.id" Staff "" => |_| json!("bat_*");
    "IngestBatch.state" Staff "" => |at| pick(at, json!("QUARANTINED"), json!("COUNTED"));
    "IngestBatch.records" Staff "" => |at| json!(records(at).to_string());
    "IngestBatch.bytesUp" Staff "" => |at| json!((records(at) * 1_000).to_string());
    "IngestBatch.bytesDown" Staff "" => |at| json!((records(at) * 10_000).to_string());
    "IngestBatch.receivedAt" Staff "" => |at| pick(at, json!("2026-11-21T11:00:00Z"), json!("2026-11-21T10:00:00Z"));
    "IngestBatch.countedAt" Staff "" => |at| pick(at, Value::Null, json!("2026-11-21T10:00:00Z"));
    "IngestBatch.reason" Staff "" => |at| pick(at, json!(REASON), Value::Null);
    "IngestBatchConnection.edges" Staff "edges { node { records } }" => |_| json!([{ "node": { "records": "1" } }, { "node": { "records": "2" } }]);
    "IngestBatchConnection.nodes" Staff "nodes { records }" => |_| json!([{ "records": "1" }, { "records": "2" }]);
    "IngestBatchConnection.pageInfo" Staff "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "IngestBatchConnection.totalCount" Staff "" => |_| json!(2);
    "IngestBatchEdge.cursor" Staff "" => any;
    "IngestBatchEdge.node" Staff "node { records }" => |at| json!({ "records": records(at).to_string() });
    "IngestAccounting.source" Staff "" => |at| json!(format!("{}-gateway", at.tenant()));
    "IngestAccounting.hour" Staff "" => |at| pick(at, json!("2026-11-21T11:00:00Z"), json!("2026-11-21T10:00:00Z"));
    "IngestAccounting.received" Staff "" => |at| pick(at, json!("1"), json!("4"));
    "IngestAccounting.accepted" Staff "" => |at| pick(at, json!("1"), json!("2"));
    "IngestAccounting.duplicate" Staff "" => |at| pick(at, json!("0"), json!("1"));
    "IngestAccounting.rejected" Staff "" => |at| pick(at, json!("0"), json!("1"));
    "IngestAccounting.bytesUp" Staff "" => |at| json!((records(at) * 1_000).to_string());
    "IngestAccounting.bytesDown" Staff "" => |at| json!((records(at) * 10_000).to_string());
    "IngestSource.source" Staff "" => |at| pick(at, json!(format!("{}-gateway", at.tenant())), json!("old-gateway"));
    "IngestSource.kind" Staff "" => |_| json!("CDR");
    "IngestSource.newestEventAt" Staff "" => |at| pick(at, json!("2026-11-21T11:00:00Z"), json!("2026-11-20T10:00:00Z"));
    "IngestSource.newestReceivedAt" Staff "" => |at| pick(at, json!("2026-11-21T11:00:00Z"), json!("2026-11-20T10:00:00Z"));
    "IngestSource.latenessMinutes" Staff "" => |_| json!(60);
    "IngestSource.completeUpTo" Staff "" => |at| pick(at, json!("2026-11-21T10:00:00Z"), json!("2026-11-20T09:00:00Z"));
    "IngestSource.lagSeconds" Staff "" => |at| pick(at, json!("7200"), json!("97200"));
    "IngestSource.state" Staff "" => |at| pick(at, json!("CURRENT"), json!("RETIRED"));
    "IngestSource.retiredAt" Staff "" => |at| pick(at, Value::Null, json!("2026-11-21T10:00:00Z"));
    "IngestRecord.state" Staff "" => |_| json!("ACCEPTED");
    "IngestRecord.eventAt" Staff "" => |_| json!("2026-11-21T10:00:00Z");
    "IngestRecord.batch" Staff "batch { records }" => |_| json!({ "records": "2" });
    "IngestRecord.rejections" Staff "rejections { code }" => |_| json!([{ "code": "CONFLICT" }]);
    "QuarantinedMessage.topic" Platform "" => |_| json!("cdr.records");
    "QuarantinedMessage.partition" Platform "" => |_| json!(2);
    "QuarantinedMessage.offset" Platform "" => |_| json!("7");
    "QuarantinedMessage.key" Platform "" => |_| json!("bm9ib2R5");
    "QuarantinedMessage.payload" Platform "" => |_| json!("bm9uc2Vuc2U=");
    "QuarantinedMessage.text" Platform "" => |_| json!("nonsense");
    "QuarantinedMessage.bytes" Platform "" => |_| json!("8");
    "QuarantinedMessage.reason" Platform "" => |_| json!("INVALID_KEY");
    "QuarantinedMessage.message" Platform "" => |_| json!("no card");
    "QuarantinedMessage.receivedAt" Platform "" => |_| json!("2026-11-21T12:00:00Z");
    "QuarantinedMessage.deadLetterAt" Platform "" => |_| json!("2026-11-21T12:00:01Z");
    "QuarantinedMessage.releasedAt" Platform "" => |_| json!("2026-11-21T13:00:00Z");
    "QuarantinedMessageConnection.edges" Platform "edges { node { offset } }" => |_| json!([{ "node": { "offset": "7" } }]);
    "QuarantinedMessageConnection.nodes" Platform "nodes { offset }" => |_| json!([{ "offset": "7" }]);
    "QuarantinedMessageConnection.pageInfo" Platform "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "QuarantinedMessageConnection.totalCount" Platform "" => |_| json!(1);
    "QuarantinedMessageEdge.cursor" Platform "" => any;
    "QuarantinedMessageEdge.node" Platform "node { offset }" => |_| json!({ "offset": "7" });
    "IngestRejection.source" Staff "" => |at| json!(format!("{}-gateway", at.tenant()));
    "IngestRejection.recordId" Staff "" => |at| json!(format!("{}-record-1-1", at.tenant()));
    "IngestRejection.code" Staff "" => |_| json!("CONFLICT");
    "IngestRejection.message" Staff "" => |_| json!("other bytes than before");
    "IngestRejection.raw" Staff "" => |at| json!(format!("{{\"source\":\"{}-gateway\"}}", at.tenant()));
    "IngestRejection.receivedAt" Staff "" => |_| json!("2026-11-21T10:00:00Z");
    "IngestRejectionConnection.edges" Staff "edges { node { code } }" => |_| json!([{ "node": { "code": "CONFLICT" } }]);
    "IngestRejectionConnection.nodes" Staff "nodes { code }" => |_| json!([{ "code": "CONFLICT" }]);
    "IngestRejectionConnection.pageInfo" Staff "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "IngestRejectionConnection.totalCount" Staff "" => |_| json!(1);
    "IngestRejectionEdge.cursor" Staff "" => any;
    "IngestRejectionEdge.node" Staff "node { code }" => |_| json!({ "code": "CONFLICT" });
}
