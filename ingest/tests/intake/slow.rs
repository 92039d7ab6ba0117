//! Inserts whose end is late, or whose answer does not come.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use analytics::Store;
use chrono::TimeDelta;
use domain::journal::BatchState;
use ingest::pipeline::{Intake, NoFault, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::world::{LONG, Record, World, impatient, lines, post_lines, record};

/// How a chunked body ends.
const END: &[u8] = b"\r\n0\r\n\r\n";

/// What becomes of inserts of records on the way to the engine; all else passes.
#[derive(Clone)]
enum Way {
    /// Their end waits until this is true.
    Held(watch::Receiver<bool>),
    /// They arrive, and their sender hears nothing.
    Unanswered,
}

/// A way to the same usage store.
async fn by(world: &World, way: Way) -> Store {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (engine, database) = world.usage_store();
    let engine = engine.replace("http://", "");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let engine = TcpStream::connect(&engine).await.expect("connected");
            tokio::spawn(pass(client, engine, way.clone()));
        }
    });
    Store::remote(&url).expect("a URL").with_database(database)
}

async fn pass(client: TcpStream, engine: TcpStream, way: Way) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let is_mute = Arc::new(AtomicBool::new(false));
    let mute = is_mute.clone();
    let answers = tokio::spawn(async move {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_engine.read(&mut bytes).await {
            if mute.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).await.is_err() {
                // Both halves go, and the connection with them.
                return;
            }
        }
    });
    let (mut read, mut sent) = (Vec::new(), 0);
    while let Ok(1..) = from_client.read_buf(&mut read).await {
        let is_insert = read.windows(6).any(|word| word == b"INSERT");
        if is_insert && read.ends_with(END) {
            let end = read.len() - END.len();
            to_engine.write_all(&read[sent..end]).await.expect("sent");
            sent = end;
            match &way {
                Way::Held(go) => {
                    // Its test is over otherwise.
                    go.clone().wait_for(|go| *go).await.ok();
                }
                Way::Unanswered => is_mute.store(true, Ordering::SeqCst),
            }
        }
        if to_engine.write_all(&read[sent..]).await.is_err() {
            break;
        }
        sent = read.len();
        if read.ends_with(END) {
            (read, sent) = (Vec::new(), 0);
        }
        if is_mute.load(Ordering::SeqCst) {
            answers.await.ok();
            return;
        }
    }
}

fn three() -> String {
    let sent: Vec<Record> = (0..3).map(|n| record(n, LONG)).collect();
    lines(&sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_that_runs_beyond_its_deadline_is_waited_for() {
    let world = World::new().await;
    let (go, held) = watch::channel(false);
    let slow = by(&world, Way::Held(held)).await;
    let slow = Intake::new(slow, world.db.clone(), impatient(), NoFault);
    assert!(post_lines(&slow, &world.alpha, &three()).await.is_err());
    // Its process has lost the lock under which it inserts, as one that is gone.
    world.take_locks();
    let intake = world.intake();
    let deadline = world.pending(BatchState::Journaled).await[0].apply_by;
    while world.engine_now().await < deadline + TimeDelta::seconds(3) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let settled = intake.settle().await.expect("asked");
    let nothing = (settled.counted, settled.inserted, settled.waiting);
    assert_eq!(nothing, (0, 0, 1));
    go.send(true).expect("it waits");
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_without_an_answer_is_not_taken_for_over() {
    let world = World::new().await;
    let unanswered = by(&world, Way::Unanswered).await;
    let settings = Settings {
        takeover: TimeDelta::seconds(20),
        ..impatient()
    };
    let intake = Intake::new(unanswered, world.db.clone(), settings, NoFault);
    assert!(post_lines(&intake, &world.alpha, &three()).await.is_err());
    // Where it was refused it would be due by now.
    while world.ask("SELECT count() FROM cdr").await.trim() != "3" {
        tokio::task::yield_now().await;
    }
    let pending = world.pending(BatchState::Journaled).await;
    assert_eq!(pending.len(), 1);
    assert!(pending[0].apply_by > world.engine_now().await + TimeDelta::seconds(5));
    let settled = world.intake().settle().await.expect("asked");
    assert_eq!((settled.counted, settled.waiting), (0, 1));
}
