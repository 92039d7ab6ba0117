//! What clients take and send: the `Accept` and `Content-Type` rules of GraphQL over HTTP, and of answers in other formats.

use domain::Code;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::Failure;

/// Media type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: a well-formed request is answered 200 whatever became of it.
    Json,
    /// `application/graphql-response+json`: the status tells.
    GraphqlResponse,
}

impl Media {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    let texts: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    texts.join(",")
}

/// What of GraphQL a client may say it takes.
const GRAPHQL: [(&str, Media); 4] = [
    ("application/graphql-response+json", Media::GraphqlResponse),
    ("application/json", Media::Json),
    ("application/*", Media::Json),
    ("*/*", Media::Json),
];

/// The media type that the client prefers; `application/json` when it does not say. `None` when it takes neither.
pub(super) fn accepted(headers: &HeaderMap) -> Option<Media> {
    preferred(headers, &GRAPHQL, Media::Json)
}

/// What the client prefers of what its media types stand for; `otherwise` when it does not say. `None` when it takes none of them.
pub(super) fn preferred<T: Copy>(
    headers: &HeaderMap,
    known: &[(&str, T)],
    otherwise: T,
) -> Option<T> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(otherwise);
    }
    let text = header_text(headers, &header::ACCEPT).to_ascii_lowercase();
    let mut best: Option<(T, f32)> = None;
    for range in text.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let Some((_, media)) = known.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        if quality > best.map_or(0.0, |(_, best)| best) {
            best = Some((*media, quality));
        }
    }
    best.map(|(media, _)| media)
}

/// Whether a person's browser asks for a page.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    header_text(headers, &header::ACCEPT).contains("text/html")
}

/// # Errors
/// 415 when the body is something else than JSON in UTF-8.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Failure> {
    if is_json(headers) {
        return Ok(());
    }
    let failure = Failure::new(Code::InvalidInput, "the content type is application/json");
    Err(failure.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Whether the body is JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let text = header_text(headers, &header::CONTENT_TYPE).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    parts.next() == Some("application/json")
        && parts
            .filter_map(|part| part.strip_prefix("charset="))
            .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(accept: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_str(accept).expect("a header"),
        );
        accepted(&headers)
    }

    #[test]
    fn the_preferred_type_is_chosen_and_json_is_the_default() {
        assert_eq!(accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(of("*/*"), Some(Media::Json));
        assert_eq!(of("application/json, multipart/mixed"), Some(Media::Json));
        assert_eq!(
            of("application/graphql-response+json, application/json;q=0.9"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(
            of("application/json;q=0.1, application/graphql-response+json"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(of("text/html"), None);
        assert_eq!(of("application/json;q=0"), None);
    }

    #[test]
    fn a_body_is_json_in_utf_8() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_str(text).expect("a header"),
            );
            is_json(&headers)
        };
        assert!(of("application/json") && of("Application/JSON; Charset=UTF-8"));
        assert!(!of("text/plain") && !of("application/json; charset=latin1"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
