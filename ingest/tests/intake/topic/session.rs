//! Rollups of sessions come to the same through topics as by HTTP.

use domain::{
    journal::{self, Rejection},
    list::{List as _, Order},
    paging::PageRequest,
    topic::Reading,
};
use ingest::{
    pipeline::{NoFault, Step},
    topic::replay,
};

use super::Topics;
use crate::{
    fault::StopAt,
    world::{
        Dice, FOREIGN, LONG, SHORT, Sent, World, logged, plain, post_rollups, record, sent,
        session_ledger, stream,
    },
};

/// The same of other cards.
fn of_cards(rollups: &[Sent], cards: [&str; 2]) -> Vec<Sent> {
    let card = |iccid: &str| cards[usize::from(iccid != LONG)];
    let rollups = rollups.iter().cloned();
    rollups
        .map(|sent| Sent {
            iccid: card(&sent.iccid).into(),
            ..sent
        })
        .collect()
}

fn unique(rollups: &[Sent]) -> u64 {
    let mut all: Vec<String> = rollups.iter().map(Sent::json).collect();
    all.sort_unstable();
    all.dedup();
    all.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_of_two_tenants_in_one_topic_come_to_what_http_makes_of_them() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    let gamma = ["8988303000000200001", "8988303000000200002"];
    let fleet = format!("iccid,state\n{},ACTIVE\n{},ACTIVE\n", gamma[0], gamma[1]);
    let gamma_caller = world.tenant("gamma", &fleet).await;
    let mut dice = Dice(23);
    let truth = stream(&mut dice, 400);
    let foreign = of_cards(&stream(&mut dice, 100), [FOREIGN, FOREIGN]);
    // Both tenants' in any order, so that most are late; some of them twice at once.
    let mut sent = dice.shuffled(&[&truth[..], &foreign].concat());
    sent.extend_from_slice(&dice.shuffled(&truth)[..100]);
    let count = sent.len() as u64;
    let (first, rest) = sent.split_at(sent.len() / 2);
    topics.send_all(first).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.send_all(rest).await;
    let new = unique(&sent);
    let sums = topics.until_read(&world, count).await;
    assert_eq!((sums.accepted, sums.duplicate), (new, count - new));
    world.settled(&intake).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
    assert_eq!(logged(&world, &world.beta).await, plain(&foreign));

    // By HTTP, for somebody else.
    let same = of_cards(&truth, gamma);
    let posted = post_rollups(&world, &intake, &gamma_caller, &dice.shuffled(&same)).await;
    assert_eq!(posted.expect("taken").accepted, unique(&same));
    assert_eq!(
        logged(&world, &gamma_caller).await,
        logged(&world, &world.alpha).await
    );

    // Twice more: by HTTP, and the whole topic again in another order.
    let posted = post_rollups(&world, &intake, &world.alpha, &truth).await;
    assert_eq!(posted.expect("taken").duplicate, truth.len() as u64);
    topics.send_all(&dice.shuffled(&sent)).await;
    let sums = topics.until_read(&world, 2 * count).await;
    assert_eq!((sums.accepted, sums.duplicate), (new, 2 * count - new));
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
    assert_eq!(logged(&world, &world.beta).await, plain(&foreign));
    let ledgers = [
        session_ledger(&world, &world.alpha).await,
        session_ledger(&world, &world.beta).await,
    ];
    let received = ledgers[0][0] + ledgers[1][0] - truth.len() as u64;
    assert_eq!(received, sums.decoded);
    assert_eq!(ledgers[0][1], unique(&truth));
    assert_eq!(ledgers[1][1], unique(&foreign));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_that_were_sent_while_nobody_read_are_all_there() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    let truth: Vec<Sent> = (0..1_000_u32)
        .map(|n| Sent {
            iccid: [LONG, SHORT][n as usize % 2].into(),
            ..sent(&format!("s{}", n % 10), (n / 10).into(), (n * 10).into())
        })
        .collect();
    topics.send_all(&truth).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    let sums = topics.until_read(&world, 1_000).await;
    consumer.stop().await;
    assert_eq!((sums.read, sums.accepted), (1_000, 1_000));
    world.settled(&intake).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_step_loses_no_rollup_and_reads_none_twice() {
    let world = World::new().await;
    for (round, step) in Step::ALL.into_iter().enumerate() {
        let topics = Topics::of_rollups().await;
        let cards = [2 * round, 2 * round + 1]
            .map(|n| format!("{}", 8_988_303_000_000_200_000_u64 + n as u64));
        let fleet = format!("iccid,state\n{},ACTIVE\n{},ACTIVE\n", cards[0], cards[1]);
        let caller = world.tenant(step.as_str(), &fleet).await;
        let mut dice = Dice(round as u64);
        let truth = of_cards(&stream(&mut dice, 90), [&cards[0], &cards[1]]);
        topics.send_all(&truth).await;
        let (stopped, consumer) = topics.reads(&world, StopAt::first(step));
        topics.until_read(&world, 60).await;
        consumer.stop().await;
        drop(stopped);
        let (intake, consumer) = topics.reads(&world, NoFault);
        topics.until_read(&world, 90).await;
        consumer.stop().await;
        intake.recover().await.expect("recovered");
        world.settled(&intake).await;
        let sums = topics.total(&world, Reading::Consume).await;
        let new = unique(&truth);
        assert_eq!(
            (sums.read, sums.accepted, sums.duplicate),
            (90, new, 90 - new),
            "{step:?}"
        );
        assert_eq!(logged(&world, &caller).await, plain(&truth), "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_rollups_are_read_beside_each_other_and_again() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    let records = topics.of_records();
    let mut dice = Dice(5);
    let truth = stream(&mut dice, 60);
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.send_all(&truth).await;
    records
        .send_all(&(0..60).map(|n| record(n, SHORT)).collect::<Vec<_>>())
        .await;
    // Of the other kind: nobody can read them as what their topic has.
    topics
        .send(0, Some(SHORT), Some(&record(1, SHORT).json()))
        .await;
    records
        .send(0, Some(&truth[0].iccid), Some(&truth[0].json()))
        .await;
    topics.until_read(&world, 61).await;
    records.until_read(&world, 61).await;
    consumer.stop().await;
    world.settled(&intake).await;
    let totals = (logged(&world, &world.alpha).await, plain(&truth));
    assert_eq!(totals.0, totals.1);
    assert_eq!(world.proved(&world.alpha).await.records, 60);
    assert_eq!(world.ledger(&world.alpha).await, [61, 60, 0, 1]);
    assert_eq!(session_ledger(&world, &world.alpha).await[3], 1);
    // What a tenant is not shown of a rollup, it is not shown of one that went astray.
    let cx = world.db.read(&world.alpha).await.expect("a transaction");
    let (every, order) = (journal::RejectionFilter::default(), Order::default());
    let page = PageRequest::relay(Some(10), None, None, None).expect("a page");
    let found = Rejection::page(&cx, &every, order, &page).await;
    let found = found.expect("a page").rows;
    let raw: Vec<&str> = found.iter().map(|(_, it)| it.raw.as_str()).collect();
    assert_eq!(raw, ["", ""]);
    drop(cx);
    let topic = &topics.topic;
    let again = replay::topic(&intake, &world.db, &topics.settings, topic, 0).await;
    let again = again.expect("read");
    assert_eq!((again.read, again.duplicate, again.rejected), (61, 60, 1));
    assert_eq!(logged(&world, &world.alpha).await, totals.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_its_tenants_at_any_time_with_or_without_its_check_digit() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    let records = topics.of_records();
    let short = &LONG[..19];
    let (intake, consumer) = topics.reads(&world, NoFault);
    let event = |minute: i64, iccid: &str| Sent {
        iccid: iccid.into(),
        ..sent("s", minute, minute.unsigned_abs() * 100)
    };
    topics.send_all(&[event(10, LONG), event(20, short)]).await;
    records.send_all(&[record(1, LONG), record(2, short)]).await;
    topics.until_read(&world, 2).await;
    records.until_read(&world, 2).await;
    // Nobody else gets it, so what comes afterwards, late or not, is still theirs.
    for iccid in [LONG, short] {
        let fleet = format!("iccid,state,valid_from\n{iccid},ACTIVE,2026-03-01T00:00:00Z\n");
        let report = world.reassign(&world.beta, &fleet).await;
        assert_eq!((report.created, report.rejected), (0, 1), "{iccid}");
    }
    topics.send_all(&[event(30, LONG), event(5, LONG)]).await;
    records.send_all(&[record(3, LONG)]).await;
    let sums = topics.until_read(&world, 4).await;
    records.until_read(&world, 3).await;
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!((sums.accepted, sums.quarantined), (4, 0));
    assert_eq!(session_ledger(&world, &world.alpha).await, [4, 4, 0, 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
    assert_eq!(session_ledger(&world, &world.beta).await, [0; 4]);
}
