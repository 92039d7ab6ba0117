//! One Postgres and one ClickHouse are an installation; another ClickHouse is not taken for it.

use std::process::Command;

use crate::{
    http::{answer, client, fleet, record},
    support::{Program, Server},
};

async fn deliver(program: &Program, server: &Server, id: &str) -> u16 {
    let request = client()
        .post(format!("{}/api/v1/ingest/cdrs", server.url))
        .bearer_auth(program.token("acme", "ingest"))
        .json(&[record(id, 5)]);
    answer(request).await.0.as_u16()
}

fn variable(command: &Command, name: &str) -> String {
    let value = command.get_envs().find(|(known, _)| *known == name);
    let value = value.and_then(|(_, value)| value?.to_str());
    value.expect("a URL").to_owned()
}

/// What a command says on the database of one program and the cubes of another, and whether it succeeds.
fn mixed(database: &Program, cubes: &Program, arguments: &[&str]) -> (bool, String) {
    let name = "CLICKHOUSE_URL";
    let mut command = database.command(arguments);
    command.env(name, variable(&cubes.command(&[]), name));
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clickhouse_is_refused_and_the_same_one_is_not() {
    let (ours, theirs) = (Program::new(), Program::new());
    for program in [&ours, &theirs] {
        let server = program.serve(&[]).await;
        fleet(program, "acme");
        assert_eq!(deliver(program, &server, "1").await, 200);
    }
    for (database, cubes) in [(&ours, &theirs), (&theirs, &ours), (&Program::new(), &ours)] {
        let (well, said) = mixed(database, cubes, &["serve", "--listen", "127.0.0.1:0"]);
        assert!(
            !well && said.contains("does not belong to the Postgres"),
            "{said}"
        );
        assert!(
            said.contains("DATABASE_URL") && said.contains("CLICKHOUSE_URL"),
            "{said}"
        );
    }
    let server = ours.serve(&[]).await;
    assert_eq!(deliver(&ours, &server, "1").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_clickhouse_beside_usage_that_was_counted_is_refused_until_it_is_adopted() {
    let (ours, empty) = (Program::new(), Program::new());
    let server = ours.serve(&[]).await;
    fleet(&ours, "acme");
    assert_eq!(deliver(&ours, &server, "1").await, 200);
    server.kill().await;
    let (well, said) = mixed(&ours, &empty, &["migrate"]);
    assert!(!well && said.contains("is empty"), "{said}");
    let (well, said) = mixed(&ours, &empty, &["migrate", "--adopt-usage-store"]);
    assert!(well, "{said}");
    let (well, said) = mixed(&ours, &empty, &["migrate"]);
    assert!(well, "{said}");
    let (well, said) = mixed(&ours, &ours, &["migrate"]);
    assert!(!well && said.contains("does not belong"), "{said}");
}
