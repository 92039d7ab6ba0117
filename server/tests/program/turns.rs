//! Questions about usage take turns: those of one tenant leave the cubes to others, and all of them leave connections to everything
//! else. Nobody's goes on when the client that asked it has gone away.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use testkit::Gate;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    http::{answer, code, fleet, graphql},
    support::{Program, Server},
};

/// Questions of a tenant that are answered at once.
const OF_TENANT: u64 = 4;
/// Half of the connections, of which a server has sixteen unless it is told otherwise.
const OF_ALL: u64 = 8;

/// Lists are answered within this time.
const SOON: Duration = Duration::from_secs(5);

/// Asks so many different questions about usage at once.
fn ask(
    asking: &mut JoinSet<(StatusCode, Option<String>, Value)>,
    server: &Server,
    token: &str,
    count: usize,
) {
    for n in 0..count {
        let period =
            "period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } }";
        let question =
            format!("{{ it{n}: usage(input: {{ {period} }}) {{ totals {{ records }} }} }}");
        let request = graphql(server, token, &question);
        asking.spawn(async {
            let (status, headers, told) = answer(request).await;
            let retry = headers
                .get("retry-after")
                .and_then(|after| after.to_str().ok());
            (status, retry.map(str::to_owned), told)
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_wait_leave_the_cubes_and_connections_to_others_and_are_refused_in_time() {
    let program = Program::new();
    fleet(&program, "alpha");
    for tenant in ["beta", "gamma"] {
        program.print(&["tenant", "create", tenant]);
    }
    let [alpha, beta, gamma] =
        ["alpha", "beta", "gamma"].map(|tenant| program.token(tenant, "tenant_admin"));
    let [_, cubes] = program.servers();
    let (address, database) = cubes.rsplit_once('/').expect("a database");
    let gate = Gate::before(address).await;
    let url = format!("{}/{database}", gate.url());
    let server = program.serve(&[("CLICKHOUSE_URL", &url)]).await;
    gate.close();
    let mut asking = JoinSet::new();
    ask(&mut asking, &server, &alpha, 30);
    gate.until_asked(OF_TENANT).await;
    ask(&mut asking, &server, &beta, 4);
    gate.until_asked(OF_ALL).await;
    ask(&mut asking, &server, &gamma, 4);
    for (token, sims) in [(&alpha, 1), (&beta, 0), (&gamma, 0)] {
        let list = answer(graphql(&server, token, "{ sims { totalCount } }"));
        let (status, _, told) = timeout(SOON, list).await.expect("soon");
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(told["data"]["sims"]["totalCount"], sims);
    }
    // All that wait are refused when they have waited long enough; the others are answered.
    let mut refused = 0;
    while refused < 38 - OF_ALL {
        let (status, retry, told) = asking.join_next().await.expect("more").expect("no panic");
        assert_eq!(
            (status, code(&told)),
            (StatusCode::TOO_MANY_REQUESTS, "THROTTLED"),
            "{told}"
        );
        assert_eq!(retry.as_deref(), Some("2"));
        assert!(
            told["errors"][0]["extensions"]["requestId"].is_string(),
            "{told}"
        );
        refused += 1;
    }
    assert_eq!(gate.asked(), OF_ALL);
    gate.open();
    while let Some(answered) = asking.join_next().await {
        let (status, _, told) = answered.expect("no panic");
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(told.get("errors"), None, "{told}");
    }
    // Nobody holds a turn any more.
    ask(&mut asking, &server, &alpha, 1);
    let (_, _, told) = asking.join_next().await.expect("one").expect("no panic");
    assert_eq!(told["data"]["it0"]["totals"], json!({ "records": "0" }));
}

/// From now on a question about months takes a minute, a row each second.
const SLOW: [&str; 2] = [
    "DROP TABLE usage_small SYNC",
    "CREATE VIEW usage_small AS SELECT generateUUIDv4() AS tenant, generateUUIDv4() AS customer, 'month' AS grain, \
     toDateTime(number, 'UTC') AS period, toInt128(1) AS bytes_up, toInt64(1) AS records, now64(3) AS received_at \
     FROM numbers(60) WHERE sleepEachRow(1) = 0 SETTINGS max_block_size = 1",
];

/// Waits until so many questions are being answered.
async fn until_running(program: &Program, questions: &str) {
    let running = "SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND Settings['log_comment'] != ''";
    let reached = timeout(3 * SOON, async {
        while program.of_cubes(running).await.trim() != questions {
            sleep(Duration::from_millis(20)).await;
        }
    });
    reached.await.expect("long before its minute is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_asked_ends_in_the_engine_when_it_hangs_up() {
    let program = Program::new();
    fleet(&program, "alpha");
    let token = program.token("alpha", "tenant_admin");
    let server = program.serve(&[]).await;
    for statement in SLOW {
        program.on_cubes(statement).await;
    }
    let mut asking = JoinSet::new();
    // All turns of the tenant, and then one of them, which is free again.
    for (questions, running) in [(4, "4"), (1, "1")] {
        for n in 0..questions {
            let period = "period: { between: { from: \"2026-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\" } }";
            let question =
                format!("{{ it{n}: usage(input: {{ {period} }}) {{ totals {{ bytesUp }} }} }}");
            asking.spawn(graphql(&server, &token, &question).send());
        }
        until_running(&program, running).await;
        asking.shutdown().await;
        until_running(&program, "0").await;
    }
}
