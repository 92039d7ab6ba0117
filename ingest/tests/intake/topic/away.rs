//! A process that cannot reach the ledger, or does not go on, keeps nobody waiting.

use std::{sync::Arc, time::Duration};

use domain::{Db, journal};
use ingest::{
    pipeline::{Fault, Intake, NoFault, Step},
    topic::Consumer,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{PATIENCE, Topics};
use crate::world::{FOREIGN, Record, SHORT, World, patient, record};

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    /// It arrives.
    Free,
    /// Connections end, and none begins.
    Cut,
    /// It goes nowhere, and nobody says so.
    Silent,
}

/// A way to Postgres that can be cut, or swallow what is sent.
struct Way {
    url: String,
    passage: watch::Sender<Passage>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address").to_string();
        let (user, place) = url.rsplit_once('@').expect("a user");
        let (server, database) = place.split_once('/').expect("a database");
        let (passage, passing) = watch::channel(Passage::Free);
        let way = Self {
            url: format!("{user}@{here}/{database}"),
            passage,
        };
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut passing = passing.clone();
                if *passing.borrow() == Passage::Cut {
                    continue;
                }
                let mut server = TcpStream::connect(&server).await.expect("Postgres");
                tokio::spawn(async move {
                    let is_free = |passage: &Passage| *passage == Passage::Free;
                    let is_over = |passage: &Passage| *passage == Passage::Cut;
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server), if is_free(&passing.borrow().clone()) => return,
                        _ = passing.wait_for(|it| !is_free(it)) => {}
                    }
                    // A connection that swallowed something is of no use any more.
                    if !is_over(&passing.borrow().clone()) {
                        let _ = passing.wait_for(|it| is_free(it) || is_over(it)).await;
                    }
                });
            }
        });
        way
    }

    fn turn(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

/// A process with a way of its own.
struct Process {
    way: Way,
    db: Db,
    intake: Intake,
}

impl Process {
    async fn new(world: &World) -> Self {
        let way = Way::to(world.postgres.url()).await;
        let db = Db::connect(&way.url, 10, Arc::new(world.clock.clone())).await;
        let db = db.expect("connected");
        let intake = Intake::new(world.store.clone(), db.clone(), patient(), NoFault);
        Self { way, db, intake }
    }

    fn reads(&self, topics: &Topics) -> Consumer {
        let (intake, db) = (self.intake.clone(), self.db.clone());
        let consumer = Consumer::start(intake, db, topics.settings.clone(), super::Seen::default());
        consumer.expect("started")
    }
}

async fn until_it_has(consumer: &Consumer, is_enough: impl Fn(usize) -> bool) {
    let has = async {
        while !is_enough(consumer.seen().lanes().len()) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, has).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_reach_the_ledger_leaves_its_partitions_to_others_until_it_can() {
    left_to_others_until(Passage::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_silent_is_as_bad_as_one_that_is_gone() {
    left_to_others_until(Passage::Silent).await;
}

async fn left_to_others_until(passage: Passage) {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..12).map(|n| record(n, SHORT)).collect();
    let lonely = Process::new(&world).await;
    let reading = lonely.reads(&topics);
    topics.send_all(&records[..3]).await;
    topics.until_read(&world, 3).await;
    lonely.way.turn(passage);
    let (_healthy, other) = topics.reads(&world, NoFault);
    topics.send_all(&records[3..6]).await;
    topics.until_read(&world, 6).await;
    topics.until_said(&reading, Some("left to others")).await;
    until_it_has(&reading, |lanes| lanes == 0).await;
    // It is back, and alone.
    lonely.way.turn(Passage::Free);
    until_it_has(&reading, |lanes| lanes > 0).await;
    other.stop().await;
    topics.send_all(&records[6..9]).await;
    topics.until_read(&world, 9).await;
    topics.until_said(&reading, None).await;
    reading.stop().await;
    world.settled(&lonely.intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_without_the_ledger_holds_up_nobody() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..9).map(|n| record(n, SHORT)).collect();
    let (intake, first) = topics.reads(&world, NoFault);
    topics.send_all(&records[..3]).await;
    topics.until_read(&world, 3).await;
    let lonely = Process::new(&world).await;
    lonely.way.turn(Passage::Cut);
    let waiting = lonely.reads(&topics);
    until_it_has(&first, |lanes| lanes < 6).await;
    first.stop().await;
    let (_healthy, second) = topics.reads(&world, NoFault);
    topics.send_all(&records[3..6]).await;
    topics.until_read(&world, 6).await;
    second.stop().await;
    waiting.stop().await;
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_went_silent_keeps_no_topic_waiting() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_said(&consumer, None).await;
    let importing = world.db.write(&world.alpha).await.expect("write");
    journal::freeze_attribution(&importing)
        .await
        .expect("frozen");
    let records: Vec<Record> = [SHORT, FOREIGN].map(|iccid| record(iccid, iccid)).into();
    topics.send_all(&records).await;
    // It is there still, as a process that was stopped is.
    topics.until_read(&world, 2).await;
    drop(importing);
    consumer.stop().await;
    world.settled(&intake).await;
    for tenant in [&world.alpha, &world.beta] {
        assert_eq!(world.proved(tenant).await.records, 1);
    }
}

/// Fails where it must not.
struct Panics;

impl Fault for Panics {
    fn reached(&self, step: Step) -> domain::Result<()> {
        assert_ne!(step, Step::Decoded, "on purpose");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_panics_is_not_well_and_others_have_its_partitions() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..3).map(|n| record(n, SHORT)).collect();
    let (_broken, mut ended) = topics.reads(&world, Panics);
    topics.send_all(&records).await;
    topics
        .until_said(&ended, Some("reading topics ended by itself"))
        .await;
    timeout(PATIENCE, ended.ended()).await.expect("in time");
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 3).await;
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}
