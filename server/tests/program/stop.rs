//! How the server stops: what is in flight finishes, or is answered 503.

use std::time::Duration;

use ::http::StatusCode;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    http::{answer, client, code, fleet, graphql, record},
    support::Program,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_finishes_after_sigterm_and_the_exit_is_clean() {
    let program = Program::new();
    let mut server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let (lines, body) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let request = client()
        .post(format!("{}/api/v1/ingest/cdrs", server.url))
        .bearer_auth(program.token("alpha", "ingest"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(futures::stream::unfold(
            body,
            |mut body| async { Some((body.recv().await?, body)) },
        )));
    let sending = tokio::spawn(answer(request));
    lines
        .send(Ok(format!("{}\n", record("1", 5))))
        .await
        .expect("sent");
    let live = answer(client().get(format!("{}/health/ready", server.url))).await;
    assert_eq!(live.0, StatusCode::OK);
    server.terminate();
    until_refused(&server.url).await;
    lines
        .send(Ok(format!("{}\n", record("2", 5))))
        .await
        .expect("sent");
    drop(lines);
    let (status, _, reply) = sending.await.expect("not aborted");
    assert_eq!(
        (status, &reply["accepted"]),
        (StatusCode::OK, &json!(2)),
        "{reply}"
    );
    assert_eq!(server.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlasts_the_grace_period_is_answered_503() {
    let program = Program::new();
    let mut server = program.serve(&[("SIMCUBE_HTTP__GRACE_SECONDS", "1")]).await;
    fleet(&program, "alpha");
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>("\n")).then(|line| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            line
        });
    let request = client()
        .post(format!("{}/api/v1/ingest/cdrs", server.url))
        .bearer_auth(program.token("alpha", "ingest"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(endless));
    let sending = tokio::spawn(answer(request));
    let ready = answer(client().get(format!("{}/health/ready", server.url))).await;
    assert_eq!(ready.0, StatusCode::OK);
    server.terminate();
    let (status, headers, value) = sending.await.expect("not aborted");
    assert_eq!((status.as_u16(), code(&value)), (503, "UNAVAILABLE"));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(server.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cut_off_by_sigterm_under_load() {
    let program = Program::new();
    let mut server = program.serve(&[]).await;
    program.print(&["tenant", "create", "alpha"]);
    let token = program.token("alpha", "tenant_admin");
    let workers = (0..16).map(|_| {
        let request = graphql(&server, &token, "{ me { role permissions } }");
        tokio::spawn(async move {
            let mut whole = 0_u32;
            loop {
                match request.try_clone().expect("a plain body").send().await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        assert!(status == 200 || status == 503, "{status}");
                        response.json::<Value>().await.expect("a whole answer");
                        whole += 1;
                    }
                    // Not accepted any more, or taken by the kernel and never by the server.
                    Err(_) => return whole,
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.terminate();
    let counts = futures::future::join_all(workers).await;
    assert!(
        counts
            .into_iter()
            .map(|count| count.expect("every answer was whole"))
            .sum::<u32>()
            > 16
    );
    assert_eq!(server.wait().await, Some(0));
}

/// Waits until the server accepts no more connections.
async fn until_refused(url: &str) {
    let address = url.strip_prefix("http://").expect("a URL");
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused)
        .await
        .expect("the listener closes");
}
