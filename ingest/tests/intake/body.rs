//! Bodies as they come: long, broken, hostile.

use std::{convert::Infallible, time::Duration};

use async_compression::tokio::write::GzipEncoder;
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{Clock as _, Code, Role};
use futures::{StreamExt as _, stream};
use ingest::{
    format::Format,
    pipeline::{NoFault, Settings},
    read::{BodyLimits, Encoding},
};
use tokio::io::AsyncWriteExt as _;

use crate::world::{
    FOREIGN, LONG, Record, SHORT, World, array, body, codes, lines, numbers, post_json, post_lines,
    record, scope,
};

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.expect("memory");
    encoder.shutdown().await.expect("memory");
    encoder.into_inner()
}

#[tokio::test]
async fn every_bad_record_has_its_code_and_spoils_no_other() {
    let world = World::new().await;
    let intake = world.intake();
    let good = record("good", LONG).json();
    let bad = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
            .replacen("\"good\"", &format!("\"{}\"", to.len()), 1)
    };
    let cases = [
        ("MALFORMED", "{\"record_id\":".to_owned()),
        ("MALFORMED", "17".to_owned()),
        (
            "MALFORMED",
            bad("\"source\":", "\"record_id\":\"twice\",\"source\":"),
        ),
        ("MALFORMED", bad("pgw-1", "pgw\\u00001")),
        ("MALFORMED", bad("LTE", &"x".repeat(1_000_000))),
        ("MALFORMED", "\0\0".to_owned()),
        ("MISSING_IDENTITY", good.replacen("\"good\"", "null", 1)),
        ("MISSING_IDENTITY", bad("\"source\":\"pgw-1\",", "")),
        ("MISSING_TIME", bad("\"end\":", "\"fin\":")),
        (
            "INVALID_TIME",
            bad("2026-03-15T10:00:00Z", "9999-12-31T23:59:59Z"),
        ),
        (
            "INVALID_TIME",
            bad("2026-03-15T10:05:00Z", "2026-03-15T09:59:59Z"),
        ),
        (
            "IN_FUTURE",
            bad(
                "2026-03-15T10:00:00Z\",\"end\":\"2026",
                "2199-03-15T10:00:00Z\",\"end\":\"2199",
            ),
        ),
        (
            "TOO_OLD",
            bad("2026-03-15T10:00:00Z", "2024-03-15T10:00:00Z"),
        ),
        (
            "INVALID_VOLUME",
            bad("\"bytes_up\":100", "\"bytes_up\":-100"),
        ),
        (
            "INVALID_VOLUME",
            bad("\"bytes_up\":100", "\"bytes_up\":18446744073709551616"),
        ),
        (
            "INVALID_VOLUME",
            bad("\"bytes_up\":100", "\"bytes_up\":1e-2"),
        ),
        ("INVALID_ICCID", bad(LONG, "898830300000000001")),
        ("INVALID_NETWORK", bad("262-02", "262-2")),
        ("INVALID_SERVICE", bad("DATA", "FAX")),
    ];
    let mut text = format!("{good}\n");
    for (_, line) in &cases {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&record("last", SHORT).json());
    let reply = post_lines(&intake, &world.alpha, &text)
        .await
        .expect("taken");
    let count = cases.len() as u64;
    assert_eq!(numbers(&reply), [count + 2, 2, 0, count]);
    let expected: Vec<_> = cases.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes(&reply), expected);
    let indexes: Vec<_> = reply
        .rejections
        .iter()
        .map(|rejected| rejected.index)
        .collect();
    assert_eq!(indexes, (1..=count).collect::<Vec<_>>());
    assert_eq!(world.ledger(&world.alpha).await, numbers(&reply));
    world.proved(&world.alpha).await;
}

#[tokio::test]
async fn a_body_of_which_nothing_can_be_read_is_known_as_noise() {
    let world = World::new().await;
    let intake = world.intake();
    let alpha = &world.alpha;
    for noise in ["", "<xml/>", "{\"record_id\":\"a\"", "\u{1}\u{2}"] {
        let account = post_json(&intake, alpha, noise).await.expect("accounted");
        let code = account.noise().map(|(code, _)| code);
        assert_eq!(code, Some(Code::InvalidInput), "{noise}");
    }
    // However long the noise is, one record in it counts.
    let noise = "a,b\n".repeat(12_000);
    let account = post_lines(&intake, alpha, &noise).await.expect("accounted");
    assert!(account.noise().is_some());
    assert_eq!(numbers(&account), [12_000, 0, 0, 12_000]);
    let good = noise + &record("good", LONG).json();
    let account = post_lines(&intake, alpha, &good).await.expect("accounted");
    assert!(account.noise().is_none());
    assert_eq!(numbers(&account), [12_001, 1, 0, 12_000]);
    let many = format!("[{}]", "{},".repeat(6_000_000));
    let refused = post_json(&intake, alpha, &many)
        .await
        .map_err(|error| error.code());
    assert_eq!(refused, Err(Code::LimitExceeded));
    let format = Format::of_records(Some("application/x-ndjson")).expect("a format");
    for (bytes, code) in [
        (b"no gzip".to_vec(), Code::InvalidInput),
        (gzip(&vec![b' '; 30_000_000]).await, Code::LimitExceeded),
    ] {
        let account = intake
            .submit(&alpha.deliverer, &format, Encoding::Gzip, body(bytes))
            .await
            .expect("accounted");
        assert_eq!(account.noise().map(|(code, _)| code), Some(code));
    }
    let [received, accepted, _, rejected] = world.ledger(alpha).await;
    assert_eq!((received, accepted), (rejected + 1, 1));
}

#[tokio::test]
async fn a_truncated_gzip_counts_what_came_and_says_that_more_is_missing() {
    let world = World::new().await;
    let intake = world.intake();
    let records: Vec<Record> = (0..500)
        .map(|n| Record {
            up: (n * 7_919 % 10_007).to_string(),
            ..record(n, LONG)
        })
        .collect();
    let whole = gzip(lines(&records).as_bytes()).await;
    let cut = whole[..whole.len() / 2].to_vec();
    let format = Format::of_records(Some("application/x-ndjson")).expect("a format");
    let reply = intake
        .submit(&world.alpha.deliverer, &format, Encoding::Gzip, body(cut))
        .await
        .expect("a part");
    assert!(reply.accepted > 0 && reply.accepted < 500);
    assert_eq!((reply.rejected, codes(&reply)), (1, vec!["MALFORMED"]));
    let accepted = reply.accepted;
    let reply = intake
        .submit(&world.alpha.deliverer, &format, Encoding::Gzip, body(whole))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [500, 500 - accepted, accepted, 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_goes_through_in_batches() {
    let world = World::new().await;
    let limits = BodyLimits {
        batch_records: 2_000,
        ..BodyLimits::default()
    };
    let settings = Settings {
        limits,
        listed_rejections: 4,
        ..Settings::default()
    };
    let intake = world.intake_with(settings, NoFault);
    let mut text = String::new();
    for n in 0..9_000 {
        // Every thousandth is noise.
        let line = if n % 1_000 == 999 {
            "noise".into()
        } else {
            record(n, LONG).json()
        };
        text.push_str(&line);
        text.push('\n');
    }
    let reply = post_lines(&intake, &world.alpha, &text)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [9_000, 8_991, 0, 9]);
    let indexes: Vec<_> = reply
        .rejections
        .iter()
        .map(|rejected| rejected.index)
        .collect();
    assert_eq!(
        (indexes, reply.rejections_truncated),
        (vec![999, 1_999, 2_999, 3_999], true)
    );
    assert_eq!(world.proved(&world.alpha).await.records, 8_991);
    let batches = world.ask("SELECT uniqExact(batch) FROM cdr").await;
    assert_eq!(batches.trim(), "5");
}

#[tokio::test]
async fn a_batch_over_the_whole_horizon_is_one_batch() {
    let world = World::new().await;
    let intake = world.intake();
    let now = world.clock.now();
    let records: Vec<Record> = (0..365)
        .map(|day| Record {
            start: (now - TimeDelta::days(day)).to_rfc3339(),
            end: now.to_rfc3339(),
            ..record(day, LONG)
        })
        .collect();
    let reply = post_json(&intake, &world.alpha, &array(&records))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [365, 365, 0, 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 365);
}

#[tokio::test]
async fn cloud_events_are_known_by_id_and_source() {
    let world = World::new().await;
    let intake = world.intake();
    let event = |id: &str| {
        let data = record("ignored", LONG).json();
        format!(
            "{{\"specversion\":\"1.0\",\"type\":\"cdr\",\"source\":\"/pgw/1\",\"id\":\"{id}\",\"data\":{data}}}"
        )
    };
    let batch = format!("[{},{},{}]", event("1"), event("2"), event("1"));
    for (media_type, text, expected) in [
        ("application/cloudevents-batch+json", batch, [3, 2, 1, 0]),
        (
            "application/cloudevents+json; charset=utf-8",
            event("3"),
            [1, 1, 0, 0],
        ),
        ("application/cloudevents+json", event("2"), [1, 0, 1, 0]),
        (
            "application/cloudevents+json",
            event("4").replace("1.0", "0.3"),
            [1, 0, 0, 1],
        ),
    ] {
        let format = Format::of_records(Some(media_type)).expect("a format");
        let reply = intake
            .submit(
                &world.alpha.deliverer,
                &format,
                Encoding::Identity,
                body(text),
            )
            .await;
        assert_eq!(numbers(&reply.expect("taken")), expected);
    }
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test]
async fn a_tenant_without_room_is_turned_away_and_no_other() {
    let world = World::new().await;
    let settings = Settings {
        // Three steps, of which one tenant may hold one.
        memory: 192 * 1024,
        admission: Duration::from_millis(20),
        ..Settings::default()
    };
    let intake = world.intake_with(settings, NoFault);
    let format = Format::of_records(Some("application/x-ndjson")).expect("a format");
    let begun = Bytes::from_static(b"{\"record_id\":");
    let endless = stream::iter([Ok::<_, Infallible>(begun)]).chain(stream::pending());
    let slow = tokio::spawn({
        let (intake, alpha, format) = (intake.clone(), world.alpha.clone(), format.clone());
        async move {
            intake
                .submit(
                    &alpha.deliverer,
                    &format,
                    Encoding::Identity,
                    Box::pin(endless),
                )
                .await
        }
    });
    // Its room is taken as soon as the task has run.
    let sent = record("a", LONG).json();
    let refused = loop {
        tokio::task::yield_now().await;
        if let Err(error) = post_json(&intake, &world.alpha, &sent).await {
            break error.code();
        }
    };
    assert_eq!(refused, Code::Throttled);
    let other = post_json(&intake, &world.beta, &record("a", FOREIGN).json()).await;
    assert_eq!(other.expect("taken").accepted, 1);
    slow.abort();
    assert!(slow.await.is_err());
    let reply = post_json(&intake, &world.alpha, &record("b", LONG).json()).await;
    assert_eq!(reply.expect("taken").accepted, 1);
}

#[tokio::test]
async fn a_record_counts_while_its_stream_goes_on() {
    let world = World::new().await;
    let limits = BodyLimits {
        linger: Duration::from_millis(1),
        ..BodyLimits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let intake = world.intake_with(settings, NoFault);
    let (lines, received) = futures::channel::mpsc::unbounded::<Result<Bytes, Infallible>>();
    let alpha = world.alpha.clone();
    let stream = tokio::spawn(async move {
        let format = Format::of_records(Some("application/x-ndjson")).expect("a format");
        intake
            .submit(&alpha.deliverer, &format, Encoding::Identity, received)
            .await
    });
    for n in 1..=3 {
        let line = record(n, LONG).json() + "\n{\"record_id\"";
        let line = if n == 1 {
            line
        } else {
            line.replacen("{\"record_id\"", "", 1)
        };
        lines.unbounded_send(Ok(line.into())).expect("read");
        while world.ledger(&world.alpha).await[1] < n {
            assert!(!stream.is_finished());
            tokio::task::yield_now().await;
        }
    }
    drop(lines);
    let reply = stream.await.expect("no panic").expect("taken");
    // The last line was cut, and its sender ended the body himself.
    assert_eq!(numbers(&reply), [4, 3, 0, 1]);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test]
async fn only_those_who_may_write_records_can() {
    let world = World::new().await;
    for &role in Role::ALL {
        let entered = world.enter(scope(world.alpha.tenant(), role)).await;
        let may = matches!(role, Role::PlatformAdmin | Role::TenantAdmin | Role::Ingest);
        let expected = if may { Ok(()) } else { Err(Code::Forbidden) };
        assert_eq!(entered.map(|_| ()).map_err(|error| error.code()), expected);
    }
}
