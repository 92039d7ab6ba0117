//! The engines' folder in states that nothing should leave behind, put there file by file, and what a start makes of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock as _, Db, SystemClock,
    journal::{self, BatchState},
};
use serde_json::{Value, json};

use crate::{
    http::{answer, client, counts, fleet, record},
    support::{Program, Server},
};

/// The records and the cubes.
const TABLES: [&str; 6] = [
    "cdr",
    "usage_hour",
    "usage_day",
    "usage_month",
    "usage_year",
    "usage_small",
];

/// What became of a table's files while nobody ran.
#[derive(Clone, Copy, Debug)]
enum Harm {
    None,
    /// What the last delivery wrote is gone; of a cube, everything.
    Gone,
    /// Every part is there twice.
    Twice,
    /// The folder is as it was before the last delivery.
    Earlier,
}

use Harm::{Earlier, Gone, None as Kept, Twice};

/// One start each, the records first.
const ROUNDS: [[Harm; 6]; 8] = [
    [Gone, Kept, Kept, Kept, Kept, Gone],
    [Kept, Gone, Gone, Gone, Gone, Gone],
    [Earlier, Earlier, Earlier, Earlier, Earlier, Earlier],
    [Twice, Kept, Kept, Kept, Kept, Kept],
    [Kept, Twice, Gone, Earlier, Twice, Kept],
    [Earlier, Twice, Kept, Gone, Twice, Twice],
    [Twice, Gone, Earlier, Twice, Kept, Earlier],
    [Gone, Twice, Twice, Twice, Gone, Twice],
];

/// Private engines with a fleet, and what was delivered to them.
struct World {
    program: Program,
    sender: String,
    delivered: Vec<Value>,
}

impl World {
    async fn new() -> (Self, Server) {
        let program = Program::private();
        let server = program.serve(&[]).await;
        fleet(&program, "acme");
        let sender = program.token("acme", "ingest");
        let world = Self {
            program,
            sender,
            delivered: Vec::new(),
        };
        (world, server)
    }

    async fn post(&self, server: &Server, records: &[Value]) -> (StatusCode, [u64; 5]) {
        let request = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
        let request = request.bearer_auth(&self.sender).json(&records);
        let (status, _, reply) = answer(request).await;
        (status, counts(&reply))
    }

    /// Delivers new records, half of them of today and half of `earlier`.
    async fn deliver(&mut self, server: &Server, count: usize, earlier: DateTime<Utc>) {
        let first = self.delivered.len();
        let records: Vec<Value> = (first..first + count)
            .map(|n| {
                let mut record = record(&n.to_string(), n as u64);
                if n % 2 == 0 {
                    record["start"] = json!(earlier.to_rfc3339());
                    record["end"] = json!(earlier.to_rfc3339());
                }
                record
            })
            .collect();
        let (status, counted) = self.post(server, &records).await;
        let count = count as u64;
        assert_eq!((status, counted), (StatusCode::OK, [count, count, 0, 0, 0]));
        self.delivered.extend(records);
    }

    /// Starts a server and waits until it has compared everything with everything; returns what it said of that.
    async fn start(&self) -> (Server, String) {
        let server = self.program.serve(&[]).await;
        let proved = async {
            loop {
                let log = self.program.log();
                if log.contains("every cube agree") || log.contains("records and cubes differ") {
                    return log;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let log = tokio::time::timeout(Duration::from_mins(1), proved).await;
        let log = log.unwrap_or_else(|_| panic!("it proved nothing: {}", self.program.log()));
        (server, log)
    }

    /// All that was delivered is in every table, once, and known when it comes again.
    async fn proved(&self, server: &Server) {
        let said = self.program.print(&["verify"]);
        assert!(said.ends_with("0 differences"), "{said}");
        let count = self.delivered.len();
        assert_eq!(records_of(&said), vec![count; 6], "{said}");
        let again = self.post(server, &self.delivered).await;
        let count = count as u64;
        assert_eq!(again, (StatusCode::OK, [count, 0, count, 0, 0]));
    }

    fn table(&self, table: &str) -> PathBuf {
        let tables = "clickhouse/store/data/default";
        let link = self.program.engines_data().join(tables).join(table);
        link.canonicalize().expect("the table's folder")
    }

    /// Keeps copies of all tables as they are.
    fn keep(&self) -> PathBuf {
        let kept = self.program.engines_data().join("../kept");
        fs::remove_dir_all(&kept).ok();
        for table in TABLES {
            // The engine may take merged parts away meanwhile.
            let whole = (0..10).any(|_| copy(&self.table(table), &kept.join(table)).is_ok());
            assert!(whole, "{table} could not be copied");
        }
        kept
    }

    fn harm(&self, table: &str, harm: Harm, kept: &Path, round: u32, earlier: DateTime<Utc>) {
        let folder = self.table(table);
        match harm {
            Kept => {}
            Gone if table == "cdr" => remove(&folder, &earlier.format("%Y%m").to_string()),
            Gone => remove(&folder, ""),
            Twice => double(&folder, u64::from(round + 1) * 1_000_000),
            Earlier => {
                fs::remove_dir_all(&folder).expect("removed");
                copy(&kept.join(table), &folder).expect("put back");
            }
        }
    }
}

/// The six numbers in the only line of the table that `verify` prints.
fn records_of(said: &str) -> Vec<usize> {
    let line = said.lines().find(|line| line.starts_with("acme"));
    let words = line.expect("a line").split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Parts of the partition, or of all.
fn parts(table: &Path, partition: &str) -> Vec<PathBuf> {
    let is_part = |name: &str| {
        let mut words = name.split('_');
        words.next().is_some_and(|word| word.starts_with(partition)) && {
            let rest: Vec<&str> = words.collect();
            rest.len() >= 3 && rest.iter().all(|word| word.parse::<u64>().is_ok())
        }
    };
    let entries = fs::read_dir(table).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_part)
        })
        .collect()
}

fn remove(table: &Path, partition: &str) {
    let parts = parts(table, partition);
    assert!(
        !parts.is_empty(),
        "nothing to remove in {}",
        table.display()
    );
    for part in parts {
        fs::remove_dir_all(part).expect("removed");
    }
}

/// Copies every part under block numbers of its own.
fn double(table: &Path, offset: u64) {
    for part in parts(table, "") {
        let name = part
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let words: Vec<&str> = name.split('_').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number") + offset;
        let name = format!("{}_{}_{}_{}", words[0], number(1), number(2), words[3]);
        copy(&part, &table.join(name)).expect("copied");
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// A moment of a month that no other round uses.
fn month_of(round: u32) -> DateTime<Utc> {
    SystemClock.now() - TimeDelta::days(31 * i64::from(round + 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_became_of_the_folder_a_start_repairs_it() {
    let (mut world, mut server) = World::new().await;
    for (round, harms) in (0..).zip(ROUNDS) {
        let kept = world.keep();
        let earlier = month_of(round);
        world.deliver(&server, 40, earlier).await;
        server.kill().await;
        for (table, harm) in TABLES.into_iter().zip(harms) {
            world.harm(table, harm, &kept, round, earlier);
        }
        let (next, log) = world.start().await;
        assert!(log.contains("every cube agree"), "{harms:?}: {log}");
        world.proved(&next).await;
        server = next;
    }
}

/// Drops the payloads of all that is counted, as time does.
async fn forget_payloads(program: &Program) {
    let run = fs::read(program.engines_data().join("run.json")).expect("a run file");
    let run: Value = serde_json::from_slice(&run).expect("JSON");
    let url = run["database_url"].as_str().expect("a URL");
    let db = Db::connect(url, 1, Arc::new(SystemClock))
        .await
        .expect("a database");
    let cx = db.system().await.expect("a transaction");
    let pending = journal::pending(&cx, BatchState::Counted, None, 500)
        .await
        .expect("batches");
    let batches: Vec<_> = pending.iter().map(|pending| pending.batch).collect();
    assert!(journal::forget(&cx, &batches).await.expect("forgotten") > 0);
    cx.commit().await.expect("committed");
}

async fn degraded(server: &Server) -> bool {
    let (_, _, value) = answer(client().get(format!("{}/health/ready", server.url))).await;
    value["checks"]["ledger"] == "degraded"
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_nothing_can_bring_back_are_named_at_every_start_and_the_cubes_keep_them() {
    let (mut world, server) = World::new().await;
    let earlier = month_of(0);
    let month = earlier.format("%Y%m").to_string();
    world.deliver(&server, 40, earlier).await;
    forget_payloads(&world.program).await;
    let kept = world.keep();
    world.deliver(&server, 2, earlier).await;
    server.kill().await;
    // The second delivery never arrived; of the first one, the records of a month are lost.
    for table in TABLES {
        world.harm(table, Earlier, &kept, 0, earlier);
    }
    remove(&world.table("cdr"), &month);

    let said = format!(
        "records of acme in {} are short by 20 of batch",
        earlier.format("%Y-%m")
    );
    for _ in 0..2 {
        let (mut next, log) = world.start().await;
        assert!(log.contains(&said), "{log}");
        assert!(degraded(&next).await);
        let verified = world.program.run(&["verify"]);
        let shown = String::from_utf8_lossy(&verified.stdout);
        assert_eq!(verified.status.code(), Some(1), "{shown}");
        // Nobody can tell whether the cubes have the second one, so it is kept; no cube lost what the records lost.
        assert_eq!(records_of(&shown), [42, 20, 40, 40, 40, 40], "{shown}");
        next.terminate();
        assert_eq!(next.wait().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_put_back_is_noticed() {
    let (mut world, mut server) = World::new().await;
    world.deliver(&server, 10, month_of(0)).await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    let journal = world.program.engines_data().join("postgres");
    let kept = world.program.engines_data().join("../journal");
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(to)
            .status();
        assert!(copied.expect("cp runs").success());
    };
    copy(&journal, &kept);
    let mut server = world.program.serve(&[]).await;
    world.deliver(&server, 10, month_of(0)).await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    fs::remove_dir_all(&journal).expect("removed");
    copy(&kept, &journal);

    let (server, log) = world.start().await;
    assert!(log.contains("one of them was restored"), "{log}");
    assert!(degraded(&server).await);
    let verified = world.program.run(&["verify", "--repair"]);
    let shown = String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(1), "{shown}");
    assert!(shown.contains("the ledger does not know"), "{shown}");
    assert_eq!(records_of(&shown), [10, 20, 20, 20, 20, 20], "{shown}");
}
