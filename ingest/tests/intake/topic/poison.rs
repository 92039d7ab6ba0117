//! What is nobody's, or nobody can read, is kept, and stops nothing.

use std::collections::BTreeMap;

use domain::{
    filter::Filter,
    journal::{Kind, Rejection, RejectionCode},
    list::{List as _, Order},
    paging::{Direction, PageRequest},
    topic::{self, Kept, Reading, Reason},
};
use ingest::{
    pipeline::NoFault,
    topic::{Settings, dead::DeadLetters, manage, replay},
};
use rdkafka::admin::AdminOptions;

use super::Topics;
use crate::world::{
    FOREIGN, LONG, Record, SHORT, World, lines, logged, post_lines, record, sent, session_ledger,
};

const STRANGER: &str = "8988303000000099999";
/// What the ICCIDs of two SIMs begin with.
const TWINS: &str = "8988303000000077777";

/// Key and payload, and why it is quarantined.
fn poison() -> Vec<(Option<&'static str>, String, Reason)> {
    let good = record("poison", SHORT).json();
    let large = Record {
        source: "x".repeat(2_000_000),
        ..record("large", SHORT)
    };
    vec![
        (Some(SHORT), "not JSON".into(), Reason::Malformed),
        (Some(SHORT), String::new(), Reason::Malformed),
        (Some(SHORT), "[]".into(), Reason::Malformed),
        (Some(SHORT), "{\"iccid\":7}".into(), Reason::Malformed),
        (Some(SHORT), large.json(), Reason::TooLong),
        (None, good.clone(), Reason::InvalidKey),
        (Some("meter-1"), good.clone(), Reason::InvalidKey),
        (Some(LONG), good, Reason::KeyMismatch),
        (
            Some(STRANGER),
            record("stranger", STRANGER).json(),
            Reason::UnknownIccid,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_kept_and_sent_as_dead_letters_and_stops_nothing() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let mut sent = BTreeMap::new();
    for (n, (key, payload, reason)) in poison().into_iter().enumerate() {
        let before = record(format!("before-{n}"), SHORT);
        topics.send(0, Some(SHORT), Some(&before.json())).await;
        let offset = topics.send(0, key, Some(&payload)).await;
        sent.insert(offset.to_string(), (reason, key, payload));
    }
    topics.send(0, Some(SHORT), None).await;
    topics.send(0, None, None).await;
    // Of a known card, so the tenant hears of it.
    for (field, wrong) in [
        ("start", "2199-13-01T00:00:00Z"),
        ("up", "-1"),
        ("up", "1.5"),
    ] {
        let mut bad = record(format!("bad-{field}-{wrong}"), SHORT);
        match field {
            "start" => bad.start = wrong.into(),
            _ => bad.up = wrong.into(),
        }
        topics.send(0, Some(SHORT), Some(&bad.json())).await;
    }
    let (intake, consumer) = topics.reads(&world, NoFault);
    let bad = sent.len() as u64;
    let sums = topics.until_read(&world, 2 * bad + 5).await;
    consumer.stop().await;
    assert_eq!((sums.tombstones, sums.quarantined), (2, bad));
    assert_eq!(
        (sums.decoded, sums.accepted, sums.rejected),
        (bad + 3, bad, 3)
    );
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, bad);
    assert_eq!(world.ledger(&world.alpha).await, [bad + 3, bad, 0, 3]);
    assert_eq!(world.ledger(&world.beta).await, [0; 4]);

    let dead = DeadLetters::new(&topics.settings, world.db.clone()).expect("a producer");
    assert_eq!(dead.send().await.expect("sent"), bad);
    assert_eq!(dead.send().await.expect("sent"), 0);
    let letters = topics.dead_letters().await;
    assert_eq!(letters.len(), sent.len());
    for (reason, partition, offset, key, payload) in letters {
        let (expected, expected_key, expected_payload) = &sent[&offset];
        assert_eq!(reason, expected.as_ref());
        assert_eq!(partition, "0");
        assert_eq!(key.as_deref(), expected_key.map(str::as_bytes));
        assert!(payload == expected_payload.as_bytes(), "{offset}");
    }
}

/// Key and payload of rollups, and why each is quarantined.
fn poisonous_rollups() -> Vec<(Option<&'static str>, String, Reason)> {
    let good = sent("poison", 0, 100).json();
    let large = sent(&"x".repeat(2_000_000), 0, 100);
    let of_card = |iccid: &str| good.replace(LONG, iccid);
    vec![
        (Some(LONG), "not JSON".into(), Reason::Malformed),
        (Some(LONG), String::new(), Reason::Malformed),
        (Some(LONG), "[]".into(), Reason::Malformed),
        (Some(LONG), good.replace("iccid", "card"), Reason::Malformed),
        (Some(LONG), of_card("7"), Reason::Malformed),
        (Some(LONG), large.json(), Reason::TooLong),
        (None, good.clone(), Reason::InvalidKey),
        (Some("session-1"), good.clone(), Reason::InvalidKey),
        (Some(SHORT), good.clone(), Reason::KeyMismatch),
        (Some(STRANGER), of_card(STRANGER), Reason::UnknownIccid),
        (Some(TWINS), of_card(TWINS), Reason::AmbiguousIccid),
    ]
}

/// Rollups of a card of Alpha, and why each is refused.
fn bad_rollups() -> Vec<(String, RejectionCode)> {
    use RejectionCode as Code;
    let good = sent("bad", 0, 100).json();
    let on = |day: &str| good.replace("2026-03-19", day);
    vec![
        (good.replace("100", "-1"), Code::InvalidVolume),
        (good.replace("100", "1.5"), Code::InvalidVolume),
        (
            good.replace("100", "18446744073709551616"),
            Code::InvalidVolume,
        ),
        (good.replace("10.0.0.1", "10.0.0.256"), Code::InvalidAddress),
        (good.replace("\"bad\"", "\"\""), Code::MissingIdentity),
        (on("2199-03-19"), Code::InFuture),
        (on("2201-03-19"), Code::InvalidTime),
        (on("2026-03-12"), Code::TooOld),
        (good.replace("UPDATE", "START"), Code::InvalidRequestType),
        (good.replace("262-02", "2"), Code::InvalidNetwork),
        (good.replace('{', "{\"rating_group\":1,"), Code::Malformed),
        (good.replace(",\"cell_id\":\"17\"", ""), Code::Malformed),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_rollup_has_its_code_and_stops_nothing() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    // Two cards that cannot be told apart by 19 digits.
    let twins = format!("iccid,state\n{TWINS}1,ACTIVE\n{TWINS}2,ACTIVE\n");
    world.import(&world.beta, &twins).await;
    let mut good = 0;
    let mut send_good = async || {
        good += 1;
        let rollup = sent("good", good, good.unsigned_abs() * 100);
        topics.send(0, Some(LONG), Some(&rollup.json())).await;
    };
    let mut quarantined = BTreeMap::new();
    for (key, payload, reason) in poisonous_rollups() {
        send_good().await;
        let offset = topics.send(0, key, Some(&payload)).await;
        quarantined.insert(offset, reason);
    }
    for (payload, _) in bad_rollups() {
        send_good().await;
        topics.send(0, Some(LONG), Some(&payload)).await;
    }
    topics.send(0, Some(LONG), None).await;
    topics.send(0, None, None).await;
    let ipv6 = sent("v6", 0, 7).json().replace("10.0.0.1", "2001:db8::1");
    topics.send(0, Some(LONG), Some(&ipv6)).await;
    let (bad, refused) = (quarantined.len() as u64, bad_rollups().len() as u64);
    let accepted = bad + refused + 1;

    let (intake, consumer) = topics.reads(&world, NoFault);
    let sums = topics
        .until_read(&world, accepted + bad + refused + 2)
        .await;
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!((sums.tombstones, sums.quarantined), (2, bad));
    assert_eq!((sums.accepted, sums.rejected), (accepted, refused));
    let ledger = session_ledger(&world, &world.alpha).await;
    assert_eq!(ledger, [accepted + refused, accepted, 0, refused]);
    assert_eq!(session_ledger(&world, &world.beta).await, [0; 4]);
    let net = logged(&world, &world.alpha).await;
    let rollups: i128 = net.values().map(|sums| sums[4]).sum();
    assert_eq!(rollups, i128::from(accepted));

    let cx = world.db.system().await.expect("system");
    let held = topic::held(&cx, None, 100).await.expect("messages");
    drop(cx);
    let reasons = held.iter().map(|it| {
        assert_eq!(it.kind, Kind::Session);
        (it.quarantined.message.offset, it.quarantined.reason)
    });
    assert_eq!(reasons.collect::<BTreeMap<_, _>>(), quarantined);
    // Tenants are told why, and are not shown what they sent.
    let cx = world.db.read(&world.alpha).await.expect("a snapshot");
    let page = PageRequest::relay(Some(100), None, None, None).expect("a page");
    let order = Order {
        direction: Direction::Asc,
        ..Order::default()
    };
    let page = Rejection::page(&cx, &Filter::default(), order, &page).await;
    let rows = page.expect("rejections").rows;
    let mut codes: Vec<_> = rows
        .iter()
        .map(|(_, it)| (it.code, it.raw.as_str()))
        .collect();
    let mut expected: Vec<_> = bad_rollups()
        .into_iter()
        .map(|(_, code)| (code, ""))
        .collect();
    codes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(codes, expected);
    // Their letters are those of their topic.
    let dead = DeadLetters::new(&topics.settings, world.db.clone()).expect("a producer");
    assert_eq!(dead.send().await.expect("sent"), bad);
    assert_eq!(topics.dead_letters().await.len(), quarantined.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_that_has_an_owner_now_is_released_as_a_rollup() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    for minute in 0..3 {
        let stranger = sent("s", minute, 100).json().replace(LONG, STRANGER);
        topics.send(0, Some(STRANGER), Some(&stranger)).await;
    }
    let (intake, consumer) = topics.reads(&world, NoFault);
    assert_eq!(topics.until_read(&world, 3).await.quarantined, 3);
    consumer.stop().await;
    let fleet = format!("iccid,state\n{STRANGER},ACTIVE\n");
    world.import(&world.beta, &fleet).await;
    let released = replay::quarantine(&intake, &world.db).await.expect("read");
    assert_eq!((released.read, released.accepted), (3, 3));
    world.settled(&intake).await;
    assert_eq!(session_ledger(&world, &world.beta).await, [3, 3, 0, 0]);
    assert_eq!(world.proved(&world.beta).await.records, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_is_named_and_the_other_one_is_read() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let sessions = &topics.settings.sessions;
    let gone = topics
        .admin()
        .delete_topics(&[sessions], &AdminOptions::new())
        .await;
    gone.expect("an answer").pop().expect("one").expect("gone");
    let records: Vec<Record> = (0..30).map(|n| record(n, SHORT)).collect();
    topics.send_all(&records).await;
    let (_intake, consumer) = topics.reads(&world, NoFault);
    let missing = format!("there is no topic {sessions}");
    topics.until_said(&consumer, Some(&missing)).await;
    assert_eq!(topics.until_read(&world, 30).await.accepted, 30);
    manage::create(&topics.settings, 3, 1).await.expect("made");
    topics.until_said(&consumer, None).await;
    let rollups = Topics {
        topic: sessions.clone(),
        ..topics.of_records()
    };
    rollups.send_all(&[sent("s", 0, 100)]).await;
    assert_eq!(rollups.until_read(&world, 1).await.accepted, 1);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_wait_for_their_topic() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let dead = Settings::dead_of(&topics.settings.cdrs);
    let gone = topics
        .admin()
        .delete_topics(&[&dead], &AdminOptions::new())
        .await;
    gone.expect("an answer").pop().expect("one").expect("gone");
    topics.send(1, None, Some("nonsense")).await;
    let (_intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 1).await;
    consumer.stop().await;
    let letters = DeadLetters::new(&topics.settings, world.db.clone()).expect("a producer");
    assert!(letters.send().await.is_err());
    let kept = async || {
        let cx = world.db.system().await.expect("system");
        topic::kept(&cx).await.expect("counts")
    };
    assert_eq!(kept().await, Kept { held: 1, unsent: 1 });
    ingest::topic::manage::create(&topics.settings, 3, 1)
        .await
        .expect("made");
    let begun = std::time::Instant::now();
    while letters.send().await.is_err() {
        assert!(begun.elapsed() < super::PATIENCE);
    }
    assert_eq!(kept().await, Kept { held: 1, unsent: 0 });
    assert_eq!(topics.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_another_tenants_is_quarantined_and_http_claims_nothing_for_topics() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let (intake, consumer) = topics.reads(&world, NoFault);
    // Beta delivers ids that the topic will have for Alpha.
    let foreign: Vec<Record> = (0..5).map(|n| record(n, FOREIGN)).collect();
    let reply = post_lines(&intake, &world.beta, &lines(&foreign)).await;
    assert_eq!(reply.expect("taken").accepted, 5);
    let own: Vec<Record> = (0..5).map(|n| record(n, SHORT)).collect();
    topics.send_all(&own).await;
    let sums = topics.until_read(&world, 5).await;
    assert_eq!((sums.accepted, sums.quarantined), (5, 0));
    // The topic has them for Beta now, with five that are new.
    let foreign: Vec<Record> = (0..10).map(|n| record(n, FOREIGN)).collect();
    topics.send_all(&foreign).await;
    let sums = topics.until_read(&world, 15).await;
    consumer.stop().await;
    assert_eq!(
        (sums.accepted, sums.duplicate, sums.quarantined),
        (10, 0, 5)
    );
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 5);
    assert_eq!(world.proved(&world.beta).await.records, 10);
    let cx = world.db.system().await.expect("system");
    let held = topic::held(&cx, None, 100).await.expect("messages");
    assert_eq!(held.len(), 5);
    for held in held {
        assert_eq!(held.quarantined.reason, Reason::CountedElsewhere);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_owner_now_is_released_once() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    for n in 0..3 {
        let stranger = record(n, STRANGER);
        topics.send(n, Some(STRANGER), Some(&stranger.json())).await;
    }
    topics.send(0, Some(STRANGER), Some("nonsense")).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    assert_eq!(topics.until_read(&world, 4).await.quarantined, 4);
    consumer.stop().await;
    let again = async || replay::quarantine(&intake, &world.db).await.expect("read");
    let replayed = again().await;
    assert_eq!((replayed.read, replayed.received), (4, 0));
    let fleet = format!("iccid,state\n{STRANGER},ACTIVE\n");
    world.import(&world.beta, &fleet).await;
    let replayed = again().await;
    assert_eq!(
        (replayed.read, replayed.received, replayed.accepted),
        (4, 3, 3)
    );
    let replayed = again().await;
    assert_eq!((replayed.read, replayed.received), (1, 0));
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.beta).await.records, 3);
    let sums = topics.total(&world, Reading::Release).await;
    assert_eq!((sums.read, sums.quarantined, sums.decoded), (9, 6, 3));
}
