//! The reader without engines: framing, limits, damage.

use std::convert::Infallible;

use async_compression::tokio::write::GzipEncoder;
use domain::id::TenantId;
use futures::{StreamExt as _, stream};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::*;
use crate::admission::{Admission, STEP};

/// A body in pieces of `size` bytes.
fn body(
    bytes: &[u8],
    size: usize,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + Unpin + 'static {
    let chunks: Vec<_> = bytes
        .chunks(size.max(1))
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

fn small() -> BodyLimits {
    BodyLimits {
        record_bytes: 64,
        batch_records: 3,
        body_bytes: 1_000,
        expansion_free_bytes: 10_000,
        ..BodyLimits::default()
    }
}

/// A place of the only tenant.
fn place() -> Place {
    admission(1 << 30).place(tenant(1))
}

fn admission(bytes: u64) -> Admission {
    Admission::new(bytes, Duration::ZERO)
}

fn tenant(n: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(n))
}

/// A reader of uncompressed chunks.
fn reader<E>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    framing: Framing,
    limits: BodyLimits,
    place: Place,
) -> Reader
where
    E: std::error::Error + Send + Sync + 'static,
{
    Reader::new(Box::pin(chunks), framing, Encoding::Identity, limits, place)
}

async fn read(bytes: &[u8], size: usize, framing: Framing, encoding: Encoding) -> Result<Vec<Raw>> {
    let mut reader = Reader::new(body(bytes, size), framing, encoding, small(), place());
    let mut all = Vec::new();
    while let Some(batch) = reader.next_batch().await? {
        assert!(!batch.records.is_empty() && batch.records.len() <= 3);
        all.extend(batch.records);
    }
    let indexes: Vec<_> = all.iter().map(|raw| raw.index).collect();
    assert_eq!(indexes, (0..all.len() as u64).collect::<Vec<_>>());
    Ok(all)
}

/// Pieces as text, a flaw as its kind.
fn shown(raws: &[Raw]) -> Vec<String> {
    raws.iter()
        .map(|raw| match &raw.flaw {
            None => String::from_utf8_lossy(&raw.bytes).into_owned(),
            Some(Flaw::TooLong) => "too long".into(),
            Some(Flaw::Rest { why, .. }) => format!("! {why}"),
        })
        .collect()
}

async fn json(text: &str) -> Vec<String> {
    let raws = read(text.as_bytes(), 7, Framing::Json, Encoding::Identity).await;
    shown(&raws.expect("readable"))
}

async fn lines(text: &str) -> Vec<String> {
    let raws = read(text.as_bytes(), 7, Framing::Lines, Encoding::Identity).await;
    shown(&raws.expect("readable"))
}

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.expect("memory");
    encoder.shutdown().await.expect("memory");
    encoder.into_inner()
}

#[tokio::test]
async fn arrays_objects_and_lines_are_cut_into_records() {
    let two = ["{\"a\":\"],}\\\"\"}", "{\"b\":[1,{}]}"];
    assert_eq!(
        json(&format!("\u{feff} [ {} ,\n{} ] ", two[0], two[1])).await,
        two
    );
    assert_eq!(json(&format!("{}\n{}", two[0], two[1])).await, two);
    assert_eq!(json(two[0]).await, two[..1]);
    assert_eq!(
        lines(&format!("\u{feff}{}\r\n\n  {}", two[0], two[1])).await,
        two
    );
    assert!(json(" [ ] ").await.is_empty());
    assert!(lines("\n\n").await.is_empty());
}

#[tokio::test]
async fn a_bad_element_leaves_its_neighbours_alone() {
    assert_eq!(
        json("[{1},x,{]},,{2},]").await,
        ["{1}", "x", "{]}", "", "{2}", ""]
    );
    assert_eq!(lines("{\n}\n{\"a\":1}\n").await, ["{", "}", "{\"a\":1}"]);
}

#[tokio::test]
async fn what_cannot_be_cut_is_one_last_piece() {
    assert_eq!(json("").await, ["! the body is empty"]);
    assert_eq!(
        json("<xml/>").await,
        ["! the body is neither a JSON array nor a JSON object"]
    );
    assert_eq!(
        json("[{}, {").await,
        ["{}", "! the body ends inside the array"]
    );
    assert_eq!(
        json("[{}] {}").await,
        ["{}", "! there is text after the end of the array"]
    );
    assert_eq!(
        json("{}, {}").await,
        ["{}", "! there is text between or after the objects"]
    );
    assert_eq!(
        json("{} {\"a\":\"").await,
        ["{}", "! the body ends inside a record"]
    );
}

#[tokio::test]
async fn a_record_that_is_too_long_is_skipped() {
    let long = "x".repeat(1_000);
    assert_eq!(
        lines(&format!("{{}}\n{long}\n{{}}\n{long}")).await,
        ["{}", "too long", "{}", "too long"]
    );
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    assert_eq!(
        json(&format!("[{{}},{long},{{}}]")).await,
        ["{}", "too long", "{}"]
    );
}

#[tokio::test]
async fn only_lines_may_be_longer_than_the_body_limit() {
    let many = "{}\n".repeat(2_000);
    assert_eq!(lines(&many).await.len(), 2_000);
    let refused = read(many.as_bytes(), 100, Framing::Json, Encoding::Identity).await;
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::LimitExceeded)
    );
}

#[tokio::test]
async fn gzip_is_read_in_every_framing() {
    let packed = gzip(b"{\"a\":1}\n{\"a\":2}\n").await;
    for framing in [Framing::Json, Framing::Lines] {
        let raws = read(&packed, 5, framing, Encoding::Gzip)
            .await
            .expect("gzip");
        assert_eq!(shown(&raws), ["{\"a\":1}", "{\"a\":2}"]);
    }
}

#[tokio::test]
async fn a_truncated_gzip_gives_what_was_before_the_cut() {
    let records: Vec<String> = (0..200)
        .map(|n| format!("{{\"a\":{}}}", n * 7_919))
        .collect();
    let text = records.join("\n");
    let mut packed = gzip(text.as_bytes()).await;
    packed.truncate(packed.len() - 20);
    let raws = read(&packed, 64, Framing::Lines, Encoding::Gzip)
        .await
        .expect("a part");
    let texts = shown(&raws);
    assert!(texts.len() > 1);
    assert_eq!(
        texts.last().map(String::as_str),
        Some("! the rest of the body is not gzip, or was cut off")
    );
    for (line, text) in text.lines().zip(&texts[..texts.len() - 1]) {
        assert_eq!(line, text);
    }
    let raws = read(b"no gzip", 64, Framing::Lines, Encoding::Gzip)
        .await
        .expect("a flaw");
    assert_eq!(raws.len(), 1);
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_early() {
    for (text, least) in [
        (vec![b'\n'; 50_000_000], 1),
        (b"{}\n".repeat(10_000_000), 1_000),
    ] {
        let packed = gzip(&text).await;
        let raws = read(&packed, 64 * 1024, Framing::Lines, Encoding::Gzip)
            .await
            .expect("a part");
        let last = raws.last().and_then(|raw| raw.flaw.clone());
        assert!(matches!(
            last,
            Some(Flaw::Rest {
                code: Code::LimitExceeded,
                ..
            })
        ));
        assert!(raws.len() >= least && raws.len() < 3_000_000);
    }
    let packed = gzip(&vec![b'['; 50_000_000]).await;
    let refused = read(&packed, 64 * 1024, Framing::Json, Encoding::Gzip).await;
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::LimitExceeded)
    );
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        records in proptest::collection::vec("[a-z ]{0,20}", 0..30),
        size in 1_usize..40,
        packed in any::<bool>(),
    ) {
        let records: Vec<String> = records.iter().map(|text| format!("{{\"a\":\"{text}\"}}")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for (text, framing) in [
                (records.join("\n"), Framing::Lines),
                (format!("[{}]", records.join(",")), Framing::Json),
            ] {
                let (bytes, encoding) = if packed {
                    (gzip(text.as_bytes()).await, Encoding::Gzip)
                } else {
                    (text.into_bytes(), Encoding::Identity)
                };
                let raws = read(&bytes, size, framing, encoding).await.expect("readable");
                assert_eq!(shown(&raws), records);
            }
        });
    }
}

mod slow;
