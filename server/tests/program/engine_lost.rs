//! The private Postgres ends while the server runs, or cannot be opened because of what is missing.

use std::fs;

use crate::{
    http::{answer, client, fleet, record},
    support::Program,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_postgres_ends_says_so_and_ends_and_the_next_start_has_everything() {
    let program = Program::private();
    let mut server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let token = program.token("alpha", "ingest");
    // One record: an hour later, one with the same id would be another.
    let records = [record("1", 5)];
    let deliver = |url: &str| {
        let request = client().post(format!("{url}/api/v1/ingest/cdrs"));
        answer(request.bearer_auth(&token).json(&records))
    };
    assert_eq!(deliver(&server.url).await.0, 200);
    let pid = program.engines_data().join("postgres/postmaster.pid");
    let pid = fs::read_to_string(pid).expect("a pid file");
    let pid = pid.lines().next().and_then(|line| line.parse().ok());
    let process = pid
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("killed");
    assert_eq!(server.wait().await, Some(1));
    let log = program.log();
    assert!(
        log.contains("the private Postgres ended by itself (signal: 9")
            && log.contains("postgres.log"),
        "{log}"
    );
    let server = program.serve(&[]).await;
    let (status, _, reply) = deliver(&server.url).await;
    let found = (status.as_u16(), &reply["duplicate"]);
    assert_eq!(found, (200, &1.into()), "{reply}");
}

#[test]
fn a_cluster_whose_record_is_lost_is_named_and_left_alone() {
    let program = Program::private();
    let cluster = program.engines_data().join("postgres");
    fs::create_dir_all(&cluster).expect("a folder");
    fs::write(cluster.join("PG_VERSION"), "18\n").expect("written");
    let output = program.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("postgres.json is missing"), "{said}");
    assert!(!program.engines_data().join("postgres.json").exists());
}
