//! `kill -9` of the server in the middle of a delivery: the sender goes on with the next server, and every record
//! counts once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Program, Server};

/// Deliveries so far.
async fn received(server: &Server, token: &str) -> u64 {
    let query = "{ ingestAccounting(from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") { received } }";
    let request = reqwest::Client::new()
        .post(format!("{}/graphql", server.url))
        .bearer_auth(token)
        .json(&json!({ "query": query }));
    let answer: Value = request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let rows = answer["data"]["ingestAccounting"]
        .as_array()
        .expect("rows")
        .clone();
    rows.iter()
        .map(|row| {
            row["received"]
                .as_str()
                .expect("a count")
                .parse::<u64>()
                .expect("digits")
        })
        .sum()
}

async fn until_received(server: &Server, token: &str, count: u64) {
    let waiting = async {
        while received(server, token).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting)
        .await
        .expect("records arrive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_and_counts_nothing_twice() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let program = Program::new();
    let mut server = program.serve(&[]).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let token = program.token("acme", "tenant_admin");
    let simulate = |more: &[&'static str]| {
        let words = [
            "simulate", "--tenant", "acme", "--seed", "7", "--sims", "150", "--days", "20",
        ];
        let to = [
            "--faults",
            "all",
            "--to",
            &server.url,
            "--token",
            &token,
            "--oracle",
            "oracle",
        ];
        program.command(&[&words[..], &to[..], more].concat())
    };
    let mut sender = tokio::process::Command::from(simulate(&["--batch", "150"]));
    let again = simulate(&["--batch", "333", "--order", "5"]);
    let mut sender = sender
        .kill_on_drop(true)
        .spawn()
        .expect("the sender starts");
    for count in [400, 2_000, 4_500] {
        until_received(&server, &token, count).await;
        server.kill().await;
        server = program.serve_on(&address, &[]).await;
    }
    let sent = tokio::time::timeout(Duration::from_mins(2), sender.wait()).await;
    assert!(sent.expect("the sender ends").expect("a child").success());
    let again = tokio::process::Command::from(again)
        .output()
        .await
        .expect("the sender runs");
    let shown = String::from_utf8_lossy(&again.stdout).into_owned()
        + &String::from_utf8_lossy(&again.stderr);
    assert!(shown.contains(" 0 accepted"), "{shown}");
    let proved = program.print(&["verify", "--oracle", "oracle"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
}
