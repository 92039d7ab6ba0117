//! Senders who are slow, silent or disconnected, and readers without room.

use std::{convert::Infallible, io};

use super::*;

type Chunk = Result<Bytes, Infallible>;

#[expect(clippy::unnecessary_wraps, reason = "a stream's items are results")]
fn chunk(text: &'static str) -> Chunk {
    Ok(Bytes::from_static(text.as_bytes()))
}

/// Chunks, and then nothing for ever.
fn then_silent(chunks: &[&'static str]) -> impl Stream<Item = Chunk> + Send + 'static {
    let chunks: Vec<_> = chunks.iter().map(|text| chunk(text)).collect();
    stream::iter(chunks).chain(stream::pending())
}

/// Each of so many chunks after a pause.
fn dripping(text: &'static str, count: usize, pause: Duration) -> impl Stream<Item = Chunk> + Send {
    stream::iter(0..count).then(move |_| async move {
        tokio::time::sleep(pause).await;
        chunk(text)
    })
}

/// Limits without time: what waits, waits for ever.
fn patient() -> BodyLimits {
    BodyLimits {
        silence: Duration::MAX,
        rate_window: Duration::MAX,
        linger: Duration::MAX,
        ..BodyLimits::default()
    }
}

async fn next(reader: &mut Reader) -> Vec<String> {
    let batch = reader.next_batch().await.expect("readable");
    shown(&batch.expect("a batch").records)
}

async fn rejection(reader: &mut Reader) -> (Code, String) {
    let outcome = reader.next_batch().await.map(|batch| batch.is_some());
    let error = outcome.expect_err("refused");
    (error.code(), error.to_string())
}

#[tokio::test]
async fn what_came_whole_before_a_break_counts_and_a_cut_line_does_not() {
    let chunks = [
        Ok(Bytes::from_static(b"{\"a\":1}\n{\"a\":2}\n{}")),
        Err(io::Error::other("reset")),
    ];
    let mut lines = reader(stream::iter(chunks), Framing::Lines, patient(), place());
    assert_eq!(next(&mut lines).await, ["{\"a\":1}", "{\"a\":2}"]);
    let broke_off = (Code::InvalidInput, "the body broke off".to_owned());
    assert_eq!(rejection(&mut lines).await, broke_off);

    let chunks = [
        Ok(Bytes::from_static(b"{\"a\":1} {\"a\":2}")),
        Err(io::Error::other("reset")),
    ];
    let mut json = reader(stream::iter(chunks), Framing::Json, patient(), place());
    assert_eq!(rejection(&mut json).await, broke_off);
}

#[tokio::test]
async fn a_silent_sender_is_not_waited_for() {
    let limits = BodyLimits {
        silence: Duration::from_millis(10),
        ..patient()
    };
    for framing in [Framing::Lines, Framing::Json] {
        let mut reader = reader(then_silent(&["[{"]), framing, limits, place());
        let text = "the body broke off: nothing came for too long";
        assert_eq!(
            rejection(&mut reader).await,
            (Code::InvalidInput, text.to_owned())
        );
    }
}

#[tokio::test]
async fn a_sender_who_drips_is_broken_off() {
    let limits = BodyLimits {
        rate: 1024 * 1024,
        rate_window: Duration::from_millis(20),
        ..patient()
    };
    let millisecond = Duration::from_millis(1);
    for framing in [Framing::Lines, Framing::Json] {
        let drops = dripping("[", usize::MAX, millisecond);
        let (code, text) = rejection(&mut reader(drops, framing, limits, place())).await;
        assert_eq!(code, Code::InvalidInput);
        assert!(text.starts_with("the body broke off: less than"), "{text}");
    }
    // Records that the server has not got yet, as a body is read whole, excuse nothing.
    let drops = dripping("{}", usize::MAX, millisecond);
    assert!(
        reader(drops, Framing::Json, limits, place())
            .next_batch()
            .await
            .is_err()
    );
}

/// Lets time pass on this thread: a wait that is over when it is looked at.
#[expect(
    clippy::disallowed_methods,
    reason = "the time itself is what is tested; nothing is waited for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

#[tokio::test]
async fn a_slow_sender_of_whole_records_is_heard_to_the_end() {
    let limits = BodyLimits {
        rate: u64::MAX / 1_000,
        rate_window: Duration::from_millis(5),
        ..patient()
    };
    let slow = stream::iter(0..5).map(|_| {
        pass(Duration::from_millis(10));
        chunk("{}\n")
    });
    let mut lines = reader(slow, Framing::Lines, limits, place());
    assert_eq!(next(&mut lines).await, ["{}"; 5]);
    assert!(lines.next_batch().await.expect("the end").is_none());
}

#[tokio::test]
async fn time_that_the_server_takes_is_not_counted() {
    let limits = BodyLimits {
        silence: Duration::from_millis(200),
        rate: u64::MAX / 1_000,
        rate_window: Duration::from_millis(200),
        batch_records: 1,
        ..patient()
    };
    let mut lines = reader(
        stream::iter(vec![chunk("{}\n{}\n{"), chunk("}\n{"), chunk("}\n")]),
        Framing::Lines,
        limits,
        place(),
    );
    for _ in 0..4 {
        assert_eq!(next(&mut lines).await, ["{}"]);
        pass(Duration::from_millis(300));
    }
    assert!(lines.next_batch().await.expect("the end").is_none());
}

#[tokio::test]
async fn whole_records_do_not_wait_for_a_sender_who_pauses() {
    let limits = BodyLimits {
        linger: Duration::from_millis(1),
        ..patient()
    };
    let pausing = then_silent(&["{\"a\":1}\n{\"a\"", ":2}\n{\"a\":"]);
    let admission = admission(1 << 30);
    let mut lines = reader(pausing, Framing::Lines, limits, admission.place(tenant(1)));
    assert_eq!(next(&mut lines).await, ["{\"a\":1}", "{\"a\":2}"]);
    assert!(futures::poll!(Box::pin(lines.next_batch())).is_pending());
    assert_eq!(admission.held(), STEP, "the tail of a line");
}

#[tokio::test]
async fn a_record_does_not_wait_longer_for_a_sender_who_never_pauses() {
    let limits = BodyLimits {
        linger: Duration::from_millis(20),
        ..patient()
    };
    let drops = dripping("{}\n", usize::MAX, Duration::from_millis(1));
    let mut lines = reader(drops, Framing::Lines, limits, place());
    let first = next(&mut lines).await;
    assert!(!first.is_empty() && first.len() <= 20);
}

#[tokio::test]
async fn records_that_trickle_in_share_their_memory() {
    let drops = stream::iter(0..10_000).map(|_| chunk("{}\n"));
    let mut lines = reader(drops, Framing::Lines, patient(), place());
    let batch = lines
        .next_batch()
        .await
        .expect("readable")
        .expect("a batch");
    let starts = batch.records.iter().map(|raw| raw.bytes.as_ptr() as usize);
    let starts: Vec<_> = starts.collect();
    let buffers = 1 + starts.windows(2).filter(|two| two[1] != two[0] + 3).count();
    assert_eq!(starts.len(), 10_000);
    assert!(buffers <= 2, "{buffers} buffers for 30,000 bytes");
}

#[tokio::test]
async fn a_body_counts_against_its_tenant_until_its_records_are_answered() {
    let text = "{\"text\":\"padding padding padding\"}\n".repeat(30_000);
    let bytes = text.len() as u64;
    for framing in [Framing::Lines, Framing::Json] {
        let admission = admission(64 << 20);
        let place = admission.place(tenant(1));
        let mut whole = Reader::new(
            body(text.as_bytes(), 10_000),
            framing,
            Encoding::Identity,
            patient(),
            place,
        );
        let mut batches = Vec::new();
        while let Some(batch) = whole.next_batch().await.expect("readable") {
            batches.push(batch);
        }
        assert_eq!(batches.len(), 3);
        let least = bytes + 30_000 * RECORD_COST;
        assert!(admission.held() >= least - 4 * STEP, "{framing:?}");
        assert!(admission.held() <= least + 8 * STEP, "{framing:?}");
        drop(whole);
        assert!(admission.held() >= least - 4 * STEP);
        drop(batches);
        assert_eq!(admission.held(), 0);
    }
}

#[tokio::test]
async fn a_stream_without_room_hands_out_what_it_has_and_goes_on_when_that_is_answered() {
    let text = "{\"text\":\"padding padding padding\"}\n".repeat(30_000);
    let admission = admission(2 << 20);
    let place = admission.place(tenant(1));
    let chunks = body(text.as_bytes(), 10_000);
    let mut lines = Reader::new(chunks, Framing::Lines, Encoding::Identity, patient(), place);
    let (mut records, mut batches) = (0, 0);
    while let Some(batch) = lines.next_batch().await.expect("room again") {
        records += batch.records.len();
        batches += 1;
        assert!(admission.held() <= 1 << 20);
    }
    assert_eq!(records, 30_000);
    assert!(batches > 15);
    // Held on to, the first batches leave no room for others.
    let mut lines = Reader::new(
        body(text.as_bytes(), 10_000),
        Framing::Lines,
        Encoding::Identity,
        patient(),
        admission.place(tenant(1)),
    );
    let mut kept = Vec::new();
    let refused = loop {
        match lines.next_batch().await {
            Ok(batch) => kept.push(batch.expect("not the end")),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::Throttled);
    assert!(admission.held() <= 1 << 20);
}

#[tokio::test]
async fn slow_senders_of_one_tenant_do_not_keep_another_from_a_body_of_full_size() {
    let admission = admission(64 << 20);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let part = Bytes::from(vec![b'['; 9 << 20]);
        let part = stream::iter([Ok::<_, Infallible>(part)]).chain(stream::pending());
        let mut json = reader(part, Framing::Json, patient(), admission.place(tenant(1)));
        // As far as it gets.
        let refused = futures::poll!(Box::pin(json.next_batch()));
        slow.push((json, refused.is_ready()));
    }
    assert!(admission.held() > 24 << 20 && admission.held() <= 32 << 20);
    let text = format!("[{}]", vec!["{}"; 1_000].join(",") + &" ".repeat(9 << 20));
    for _ in 0..3 {
        let mut json = reader(
            body(text.as_bytes(), 100_000),
            Framing::Json,
            patient(),
            admission.place(tenant(2)),
        );
        assert_eq!(next(&mut json).await.len(), 1_000);
    }
}

#[tokio::test]
async fn a_body_that_is_read_whole_is_refused_whole() {
    let text = format!("[{}]", vec!["{}"; 1_000_000].join(","));
    let mut json = Reader::new(
        body(&gzip(text.as_bytes()).await, 1_000),
        Framing::Json,
        Encoding::Gzip,
        patient(),
        place(),
    );
    assert_eq!(rejection(&mut json).await.0, Code::LimitExceeded);
    let mut json = reader(
        body(&vec![b' '; 11 << 20], 100_000),
        Framing::Json,
        patient(),
        place(),
    );
    assert_eq!(rejection(&mut json).await.0, Code::LimitExceeded);
}
