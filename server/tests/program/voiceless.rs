//! A server that cannot say anything any more serves on, and still listens to signals.

use std::{io, process::Stdio, time::Duration};

use ::http::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

use crate::{
    http::{answer, client, counts, fleet, record},
    support::Program,
};

/// Whatever is waited for here comes within this time.
const LIMIT: Duration = Duration::from_mins(1);

/// Standard error that takes nothing.
fn closed() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    full.expect("a device").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_costs_no_answer_and_no_signal() {
    for silence in [closed, full] {
        let program = Program::new();
        fleet(&program, "alpha");
        let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(silence());
        let mut server = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
        let line = timeout(LIMIT, lines.next_line()).await.expect("a line");
        let line = line.expect("text").expect("a line");
        let url = line.strip_prefix("simcube is ready at ").expect("ready");
        let request = client()
            .post(format!("{url}/api/v1/ingest/cdrs"))
            .bearer_auth(program.token("alpha", "ingest"))
            .json(&json!([record("1", 5)]));
        let (status, _, reply) = answer(request).await;
        assert_eq!((status, counts(&reply)), (StatusCode::OK, [1, 1, 0, 0, 0]));
        let id = server.id().and_then(|id| i32::try_from(id).ok());
        let process = id.and_then(rustix::process::Pid::from_raw);
        let process = process.expect("it still runs");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("signalled");
        let ended = timeout(LIMIT, server.wait()).await.expect("it ends");
        assert_eq!(ended.expect("a child").code(), Some(0));
    }
}

#[test]
fn a_refusal_that_nobody_can_read_still_has_its_exit_code() {
    let program = Program::new();
    let mut command = program.command(&["serve", "--listen", "nonsense"]);
    let status = command.stderr(closed()).status().expect("the program runs");
    assert_eq!(status.code(), Some(2));
}
