//! A request that failed, as an answer. Codes are the domain's; causes of our own faults are logged here, once,
//! and never sent.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use domain::{Code, Details, Error};
use http::{
    HeaderValue, Method, StatusCode,
    header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

/// Seconds after which an overloaded or stopping server is worth asking again.
const RETRY_SECONDS: u64 = 2;

/// Status, code and message of a failed request.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    code: Code,
    message: String,
    details: Option<Box<Details>>,
    headers: Vec<(http::HeaderName, HeaderValue)>,
}

impl Failure {
    /// A failure with the code's usual status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut headers = Vec::new();
        match code {
            Code::Unauthenticated => {
                let challenge = HeaderValue::from_static("Bearer realm=\"simcube\"");
                headers.push((WWW_AUTHENTICATE, challenge));
            }
            Code::Throttled | Code::Unavailable => {
                headers.push((RETRY_AFTER, HeaderValue::from(RETRY_SECONDS)));
            }
            _ => {}
        }
        Self {
            status: status(code),
            code,
            message: message.into(),
            details: None,
            headers,
        }
    }

    /// The same failure with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same failure, worth another try after `seconds`.
    #[must_use]
    pub fn with_retry(mut self, seconds: u64) -> Self {
        self.headers.retain(|(name, _)| *name != RETRY_AFTER);
        self.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// A method that this route, or this operation, does not have.
    pub fn method_not_allowed(allowed: &Method) -> Self {
        let mut failure = Self::new(
            Code::InvalidInput,
            format!("this needs the method {allowed}"),
        )
        .with_status(StatusCode::METHOD_NOT_ALLOWED);
        if let Ok(value) = HeaderValue::from_str(allowed.as_str()) {
            failure.headers.push((ALLOW, value));
        }
        failure
    }

    /// The server stops before the request could be finished.
    pub fn stopping() -> Self {
        let mut failure = Self::new(Code::Unavailable, "the server is stopping; try again");
        failure
            .headers
            .push((CONNECTION, HeaderValue::from_static("close")));
        failure
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The failure as one GraphQL error.
    pub(super) fn to_graphql(&self) -> Value {
        json!({ "errors": [{ "message": self.message, "extensions": self.extensions() }] })
    }

    /// What a program can do something with.
    fn extensions(&self) -> Value {
        json!(resolvers::extensions(self.code, self.details.as_deref()))
    }

    /// The failure in both forms at once, for a layer that does not know which route it guards.
    pub(super) fn to_graphql_and_rest(&self) -> Value {
        let mut value = self.extensions();
        value["message"] = self.message.as_str().into();
        value["errors"] = self.to_graphql()["errors"].take();
        value
    }

    /// Puts status and headers on an answer.
    pub(super) fn add_headers(self, response: &mut Response) {
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause() {
            tracing::error!(code = error.code().as_ref(), cause, "a request failed");
        }
        Self {
            details: error.details().cloned().map(Box::new),
            ..Self::new(error.code(), error.to_string())
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = self.extensions();
        body["message"] = self.message.as_str().into();
        let mut response = Json(body).into_response();
        self.add_headers(&mut response);
        response
    }
}

/// HTTP status of a code.
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::ParseFailed
        | Code::ValidationFailed
        | Code::InvalidInput
        | Code::InvalidCursor
        | Code::LimitExceeded
        | Code::NotExact => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::RightsChanged => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict | Code::UsageAlreadyCounted => StatusCode::CONFLICT,
        Code::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
