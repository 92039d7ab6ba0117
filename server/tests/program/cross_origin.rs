//! Which pages may call the API from a browser.

use ::http::{HeaderMap, Method, StatusCode};

use crate::{
    http::{client, graphql},
    support::{Program, Server},
};

const OURS: &str = "https://console.example";
const THEIRS: &str = "https://elsewhere.example";

/// What a browser asks before it sends a request with a token for a page of another origin.
async fn preflight(server: &Server, origin: &str) -> (StatusCode, HeaderMap) {
    let request = client()
        .request(Method::OPTIONS, format!("{}/graphql", server.url))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let response = request.send().await.expect("an answer");
    (response.status(), response.headers().clone())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_named_origin_may_call_and_no_others() {
    let program = Program::new();
    let server = program.serve(&[("SIMCUBE_HTTP__ORIGINS", OURS)]).await;
    let (status, headers) = preflight(&server, OURS).await;
    assert_eq!(status, StatusCode::OK);
    let allowed = |name| header(&headers, &format!("access-control-allow-{name}"));
    assert_eq!(allowed("origin"), Some(OURS));
    assert_eq!(allowed("methods"), Some("GET,POST"));
    assert_eq!(allowed("headers"), Some("authorization,content-type"));
    assert_eq!(allowed("credentials"), None);
    let (_, headers) = preflight(&server, THEIRS).await;
    assert_eq!(header(&headers, "access-control-allow-origin"), None);

    // A page may read why it was refused as well.
    let asked = graphql(&server, "nonsense", "{ me { role } }").header("origin", OURS);
    let refused = asked.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let of = |name| header(refused.headers(), name);
    assert_eq!(of("access-control-allow-origin"), Some(OURS));
    assert_eq!(
        of("access-control-expose-headers"),
        Some("x-request-id,retry-after")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_named_origins_only_pages_of_this_server_may_call() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    let (status, headers) = preflight(&server, OURS).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&headers, "access-control-allow-origin"), None);
}
