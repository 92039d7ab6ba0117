//! Topics from the command line, in readiness and for a monitor. What is read of them is tested where it is read.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Kafka, KafkaServer, kafka};
use tokio::time::sleep;

use crate::{
    http::{answer, client, graphql},
    support::{Program, Server},
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn settings(kafka: &Kafka) -> Vec<(&'static str, String)> {
    vec![
        ("KAFKA_BROKERS", kafka.brokers().to_owned()),
        ("SIMCUBE_KAFKA__GROUP", kafka.name("simcube")),
        ("SIMCUBE_KAFKA__CDR_TOPIC", kafka.name("cdrs")),
        ("SIMCUBE_KAFKA__SESSION_TOPIC", kafka.name("sessions")),
        ("SIMCUBE_KAFKA__SESSION_SECONDS", "6".to_owned()),
    ]
}

fn run(program: &Program, kafka: &Kafka, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program.command(arguments);
    command.envs(settings(kafka));
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

async fn ready(server: &Server) -> (StatusCode, Value) {
    let url = format!("{}/health/ready", server.url);
    let reply = client().get(url).send().await.expect("an answer");
    (reply.status(), reply.json().await.expect("JSON"))
}

/// Waits until readiness says this of Kafka; the server is ready all the time.
async fn until(server: &Server, health: &str) {
    let begun = Instant::now();
    loop {
        let (status, said) = ready(server).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        if said["checks"]["kafka"] == health {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn metrics(server: &Server) -> String {
    let url = format!("{}/metrics", server.url);
    let reply = client().get(url).send().await.expect("an answer");
    assert_eq!(reply.status(), StatusCode::OK);
    reply.text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_checked_and_read_and_a_broker_that_is_down_stops_nothing_else() {
    let program = Program::new();
    let mut broker = KafkaServer::stopped();
    let kafka = broker.place();
    let environment = settings(&kafka);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut server = program.serve(&environment).await;
    until(&server, "degraded").await;
    assert!(metrics(&server).await.contains("simcube_topics_read 0"));

    broker.start().await;
    let (code, said) = run(&program, &kafka, &["topics", "check"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is missing: simcube topics create"), "{said}");
    let create = ["topics", "create", "--partitions", "3"];
    let (code, said) = run(&program, &kafka, &create);
    assert_eq!(
        (code, said.matches(": made").count()),
        (Some(0), 4),
        "{said}"
    );
    let (code, said) = run(&program, &kafka, &create);
    assert_eq!(
        (code, said.matches(": is there").count()),
        (Some(0), 4),
        "{said}"
    );

    until(&server, "ok").await;
    let begun = Instant::now();
    let lag = |text: &str| text.matches("\nsimcube_topic_lag_messages{").count();
    while lag(&metrics(&server).await) != 6 {
        assert!(begun.elapsed() < PATIENCE, "{}", metrics(&server).await);
        sleep(Duration::from_millis(100)).await;
    }
    let text = metrics(&server).await;
    for figure in [
        "simcube_topics_read 1",
        "simcube_topic_stopped_partitions{reason=\"offset_lost\"} 0",
        "simcube_topic_quarantined_messages 0",
        "simcube_intake_oldest_unapplied_seconds 0",
    ] {
        assert!(text.contains(figure), "{figure} in {text}");
    }
    let (code, said) = run(&program, &kafka, &["topics", "check"]);
    assert_eq!(code, Some(0), "{said}");
    let topic = kafka.name("cdrs");
    let replay = ["replay", "--topic", &topic, "--from", "0"];
    let (code, said) = run(&program, &kafka, &replay);
    assert!(code == Some(0) && said.contains("0 messages"), "{said}");
    let skip = [
        "topics",
        "skip",
        "--topic",
        &topic,
        "--partition",
        "1",
        "--to",
        "7",
    ];
    let (code, said) = run(&program, &kafka, &skip);
    assert!(code == Some(1) && said.contains("offsets 0 to 0"), "{said}");

    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let token = program.token("acme", "tenant_admin");
    broker.kill();
    until(&server, "degraded").await;
    let ask = "{ usage(input: { period: { preset: LAST_30_DAYS } }) { totals { records } } sims { totalCount } ingestSources { source } }";
    let (status, _, said) = answer(graphql(&server, &token, ask)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(said["data"]["usage"]["totals"]["records"], "0", "{said}");
    assert!(said["errors"].is_null(), "{said}");
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
}

/// Waits until all that topics have is journaled and counted.
async fn until_read(program: &Program, kafka: &Kafka, server: &Server) {
    let begun = Instant::now();
    loop {
        let (_, said) = run(program, kafka, &["topics", "check"]);
        let partitions = said.matches(" of offsets ").count();
        let read = said.matches(": 0 of offsets ").count();
        let counted = "\nsimcube_intake_oldest_unapplied_seconds 0\n";
        if partitions == 6 && read == partitions && metrics(server).await.contains(counted) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_through_topics_comes_to_what_its_oracle_says_however_often_it_is_sent() {
    let program = Program::new();
    let kafka = kafka();
    let create = ["topics", "create", "--partitions", "3"];
    let (code, said) = run(&program, &kafka, &create);
    assert_eq!(code, Some(0), "{said}");
    let environment = settings(&kafka);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let server = program.serve(&environment).await;
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let simulate = |more: &[&str]| {
        let words = [
            "simulate",
            "--tenant",
            "acme",
            "--seed",
            "7",
            "--sims",
            "30",
            "--days",
            "4",
            "--faults",
            "all",
            "--sessions",
            "3",
            "--via",
            "kafka",
        ];
        let to = ["--to", server.url.as_str()];
        let (code, said) = run(&program, &kafka, &[&words[..], &to[..], more].concat());
        assert!(
            code == Some(0) && said.contains(" messages to topics"),
            "{said}"
        );
    };
    simulate(&["--oracle", "oracle"]);
    until_read(&program, &kafka, &server).await;
    simulate(&["--order", "99", "--batch", "333"]);
    until_read(&program, &kafka, &server).await;
    let (code, said) = run(&program, &kafka, &["verify", "--oracle", "oracle"]);
    assert!(
        code == Some(0) && said.contains("\n0 differences"),
        "{said}"
    );
}

#[test]
fn without_brokers_there_are_no_topics() {
    let program = Program::new();
    for arguments in [
        &[
            "simulate", "--tenant", "acme", "--via", "kafka", "--token", "t",
        ][..],
        &["topics", "check"],
        &["consume"],
        &["replay", "--topic", "t", "--from", "0"],
    ] {
        let output = program.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("KAFKA_BROKERS"), "{said}");
    }
    let output = program.run(&["replay"]);
    assert_eq!(output.status.code(), Some(2));
}
