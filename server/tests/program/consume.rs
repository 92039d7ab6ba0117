//! `kill -9` of `simcube consume` in the middle of its topics: the next one goes on, and every record and rollup counts once.

use std::{
    fmt::Write as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, TimeDelta};
use domain::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::sleep,
};

use crate::{support::Program, topics::settings};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Sessions, each on a card of its own.
const SESSIONS: u64 = 30;
/// Rollups of each, and as many usage records.
const EACH: u64 = 200;

fn card(n: u64) -> u64 {
    8_988_303_000_000_000_000 + n
}

/// Usage records and rollups, a line each. A rollup counts ten bytes more than the one before.
fn lines() -> [String; 2] {
    let begin = SystemClock.now() - TimeDelta::hours(2);
    let (mut records, mut rollups) = (String::new(), String::new());
    for place in 0..EACH {
        for n in 0..SESSIONS {
            let at = begin + TimeDelta::seconds(i64::try_from(place).expect("small") * 20);
            let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
            let (iccid, total) = (card(n), (place + 1) * 10);
            writeln!(
                records,
                "{{\"record_id\":\"{n}-{place}\",\"source\":\"pgw\",\"iccid\":\"{iccid}\",\"mcc_mnc\":\"262-02\",\
                 \"radio_access_type\":\"LTE\",\"service\":\"DATA\",\"start\":\"{at}\",\"end\":\"{at}\",\
                 \"bytes_up\":7,\"bytes_down\":70}}"
            )
            .expect("written");
            writeln!(
                rollups,
                "{{\"session_id\":\"s-{n}\",\"iccid\":\"{iccid}\",\"event_timestamp\":\"{at}\",\"mcc_mnc\":\"26202\",\
                 \"radio_access_type\":\"6\",\"ip_address\":\"10.0.0.1\",\"total_bytes_in\":{total},\
                 \"total_bytes_out\":0,\"request_type\":\"UPDATE\",\"cell_id\":\"17\"}}"
            )
            .expect("written");
        }
    }
    [records, rollups]
}

/// Has a producer that is not ours send lines.
async fn send(brokers: &str, topic: &str, lines: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/tests/producer");
    let mut producer = Command::new(folder.join(".venv/bin/python"))
        .arg(folder.join("lines.py"))
        .args([brokers, topic])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ingest/tests/producer/fetch fetches the producer");
    let mut input = producer.stdin.take().expect("its input");
    input.write_all(lines.as_bytes()).await.expect("taken");
    drop(input);
    let output = producer.wait_with_output().await.expect("an end");
    assert!(output.status.success());
    let sent = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(sent, (SESSIONS * EACH).to_string());
}

/// Messages that are journaled.
fn read(program: &Program) -> u64 {
    let sums = program.texts("SELECT coalesce(sum(read), 0)::text FROM topic_account");
    sums[0].parse().expect("a number")
}

async fn until_read(program: &Program, messages: u64) {
    let begun = Instant::now();
    while read(program) < messages {
        assert!(begun.elapsed() < PATIENCE, "{} read", read(program));
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_consumer_loses_nothing_and_counts_nothing_twice() {
    let (program, kafka) = (Program::new(), testkit::kafka());
    let mut environment = settings(&kafka);
    // Many small passages, so that it is killed within.
    environment.push(("SIMCUBE_KAFKA__BATCH_RECORDS", "100".to_owned()));
    environment.push(("SIMCUBE_KAFKA__LINGER_MILLISECONDS", "20".to_owned()));
    let command = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command.envs(environment.iter().cloned());
        command
    };
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let cards = (0..SESSIONS).map(|n| format!("{},ACTIVE\n", card(n)));
    let cards: Vec<String> = cards.collect();
    let fleet = format!("iccid,state\n{}", cards.concat());
    let fleet = program.file("fleet.csv", &fleet);
    program.print(&["import", &fleet, "--tenant", "acme"]);
    let made = command(&["topics", "create", "--partitions", "3"]).output();
    assert!(made.expect("it runs").status.success());
    let [records, rollups] = lines();
    send(kafka.brokers(), &kafka.name("cdrs"), &records).await;
    send(kafka.brokers(), &kafka.name("sessions"), &rollups).await;
    let all = 2 * SESSIONS * EACH;

    let consume = || -> Child {
        let mut command = Command::from(command(&["consume"]));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn().expect("it starts")
    };
    let mut killed_within = 0;
    for _ in 0..3 {
        let before = read(&program);
        let mut consumer = consume();
        until_read(&program, (before + 1_000).min(all)).await;
        consumer.kill().await.expect("killed");
        killed_within += u32::from(read(&program) < all);
    }
    assert!(
        killed_within > 0,
        "everything was read before it was killed"
    );
    let mut consumer = consume();
    until_read(&program, all).await;
    let id = i32::try_from(consumer.id().expect("it runs")).expect("an id");
    kill_process(Pid::from_raw(id).expect("an id"), Signal::TERM).expect("told");
    let ended = tokio::time::timeout(PATIENCE, consumer.wait()).await;
    assert_eq!(ended.expect("it ends").expect("a child").code(), Some(0));

    // What was journaled last may still have to be counted: a verification does that while no server runs.
    let said = program.print(&["verify"]);
    assert!(said.ends_with("0 differences"), "{said}");
    assert_eq!(read(&program), all, "nothing was read twice");
    let duplicates = program.texts("SELECT sum(duplicate)::text FROM topic_account");
    assert_eq!(duplicates, ["0"]);
    let (count, bytes) = (SESSIONS * EACH, SESSIONS * EACH * 7);
    for (ask, expected) in [
        (
            "SELECT count(), sum(bytes_up) FROM cdr FORMAT TSV",
            format!("{count}\t{bytes}"),
        ),
        (
            "SELECT sum(records), sum(bytes_up) FROM usage_day FORMAT TSV",
            format!("{count}\t{bytes}"),
        ),
        (
            "SELECT sum(records), sum(bytes_up), sum(sessions), sum(resets) FROM session_day FORMAT TSV",
            format!("{count}\t{}\t{SESSIONS}\t0", SESSIONS * EACH * 10),
        ),
    ] {
        assert_eq!(program.of_cubes(ask).await.trim(), expected, "{ask}");
    }
}
