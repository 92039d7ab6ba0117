//! GraphQL over HTTP, to the specification: what may be asked how, and which status says what became of it.

use std::time::{Duration, Instant};

use async_graphql::{
    Name, Request, Response as Outcome, ServerError, Value as Constant, Variables,
    parser::types::OperationType,
};
use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use domain::Code;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::{Map, Value};
use service::Question;

use super::{
    App, Failure,
    failure::status,
    known,
    layer::RequestId,
    negotiate::{self, Media},
};

/// `POST /graphql`.
pub(super) async fn post(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(media) = negotiate::accepted(&headers) else {
        return not_acceptable(id);
    };
    let form = Form { media, id };
    let outcome = async {
        let claims = app.authenticate(&headers).await?;
        let body = receive(&headers, body, app.http().graphql_body_bytes).await?;
        let question = Question::new(claims, "POST /graphql", body.clone());
        answer(&app, question, &Method::POST, &form, || read_body(&body)).await
    };
    outcome.await.unwrap_or_else(|failure| form.refuse(failure))
}

/// `GET /graphql?query=...`, for queries only.
pub(super) async fn get(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if query.is_none() && negotiate::wants_page(&headers) {
        return Redirect::temporary("/").into_response();
    }
    let Some(media) = negotiate::accepted(&headers) else {
        return not_acceptable(id);
    };
    let form = Form { media, id };
    let outcome = async {
        let claims = app.authenticate(&headers).await?;
        let query = query.unwrap_or_default();
        let question = Question::new(claims, "GET /graphql", query.clone().into());
        answer(&app, question, &Method::GET, &form, || read_query(&query)).await
    };
    outcome.await.unwrap_or_else(|failure| form.refuse(failure))
}

/// Any other method.
pub(super) async fn other(Extension(id): Extension<RequestId>, headers: HeaderMap) -> Response {
    let media = negotiate::accepted(&headers).unwrap_or(Media::Json);
    Form { media, id }.refuse(Failure::method_not_allowed(&Method::POST))
}

/// The form of an answer: its media type, and the id that each of its errors names.
struct Form {
    media: Media,
    id: RequestId,
}

/// What is wrong with a request before it is executed.
enum Refusal {
    /// It is not a GraphQL request at all, or not one that may be sent like this.
    Failure(Failure),
    /// It is one, and its document is refused: 200 for `application/json`.
    Document(Box<ServerError>),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn not_acceptable(id: RequestId) -> Response {
    let message = "answers are application/json or application/graphql-response+json";
    let failure = Failure::new(Code::InvalidInput, message).with_status(StatusCode::NOT_ACCEPTABLE);
    let media = Media::Json;
    Form { media, id }.refuse(failure)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidInput, message)
}

async fn receive(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let unsupported = |message| invalid(message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    if !negotiate::is_json(headers) {
        return Err(unsupported(
            "the content type is application/json, in utf-8",
        ));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported(
            "the body of a GraphQL request is not compressed",
        ));
    }
    collect(headers, body, limit).await
}

/// A whole body of so many bytes at most.
pub(super) async fn collect(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, Failure> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit, headers)),
        Err(_) => Err(invalid("the body ended early")),
    }
}

fn read_body(body: &[u8]) -> Result<Request, Failure> {
    let value: Value = serde_json::from_slice(body).map_err(|_| invalid("the body is not JSON"))?;
    match value {
        Value::Object(fields) => read_fields(fields),
        Value::Array(_) => Err(invalid(
            "batches are not supported: send one request at a time",
        )),
        _ => Err(invalid("the body is a JSON object with `query`")),
    }
}

/// A body that is longer than it may be. If it does not say how long it is, it was read until it was too long.
fn too_large(limit: usize, headers: &HeaderMap) -> Failure {
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse().ok());
    let limit = limit as u64;
    let text = format!("the body has at most {limit} bytes");
    let error = domain::Error::limit(text, limit, said.unwrap_or(limit + 1));
    Failure::from(error).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn read_query(query: &str) -> Result<Request, Failure> {
    let mut fields = Map::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "variables" | "extensions" => serde_json::from_str(&text)
                .map_err(|_| invalid(format!("`{name}` is a JSON object")))?,
            _ => Value::String(text.into_owned()),
        };
        if fields.insert(name.to_string(), value).is_some() {
            return Err(invalid("a parameter is given twice"));
        }
    }
    read_fields(fields)
}

fn read_fields(mut fields: Map<String, Value>) -> Result<Request, Failure> {
    let Some(Value::String(query)) = fields.remove("query") else {
        return Err(invalid("`query` is missing, or is not a string"));
    };
    let mut request = Request::new(query);
    match fields.remove("operationName") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) => request = request.operation_name(name),
        Some(_) => return Err(invalid("`operationName` is a string")),
    }
    match fields.remove("variables") {
        None | Some(Value::Null) => {}
        Some(value @ Value::Object(_)) => request = request.variables(Variables::from_json(value)),
        Some(_) => return Err(invalid("`variables` is an object")),
    }
    match fields.remove("extensions") {
        None | Some(Value::Null | Value::Object(_)) => Ok(request),
        Some(_) => Err(invalid("`extensions` is an object")),
    }
}

/// The answer that is kept, or a new one to the request that `read` makes of the question.
async fn answer(
    app: &App,
    question: Question,
    method: &Method,
    form: &Form,
    read: impl FnOnce() -> Result<Request, Failure>,
) -> Result<Response, Failure> {
    match known(app.entry().recall(&question)).await? {
        Some(answer) => Ok(json(answer, form.media)),
        None => run(app, question, read()?, method, form).await,
    }
}

async fn run(
    app: &App,
    question: Question,
    mut request: Request,
    method: &Method,
    form: &Form,
) -> Result<Response, Failure> {
    if let Err(refused) = app.api().admit(&mut request) {
        return Ok(form.answer(*refused));
    }
    let (operation, is_query) = match prepare(&mut request, method) {
        Ok(prepared) => prepared,
        Err(Refusal::Failure(failure)) => return Err(failure),
        Err(Refusal::Document(error)) => {
            return Ok(form.answer(Outcome::from_errors(vec![*error])));
        }
    };
    let turn = if resolvers::Api::asks_cubes(&request) {
        // It is refused in its own time.
        Some(app.entry().turn(question.claims()).await?)
    } else {
        None
    };
    let session = known(app.entry().enter(question.claims(), &operation)).await?;
    let (began, seconds) = (Instant::now(), app.http().request_seconds);
    let work = app.api().execute(session.clone(), request);
    let outcome = tokio::time::timeout(Duration::from_secs(seconds), work).await;
    let outcome = outcome.map_err(|_| took_too_long(seconds, began.elapsed()))?;
    drop(turn);
    // The connection goes back before the answer is written.
    let basis = session.basis().filter(|_| is_query && outcome.is_ok());
    let Some(basis) = basis else {
        return Ok(form.answer(outcome));
    };
    let answer = Answer::from(outcome);
    let Ok(answer) = serde_json::to_vec(&answer).map(Bytes::from) else {
        return Ok(body(&answer, form.media));
    };
    let response = json(answer.clone(), form.media);
    app.entry().keep(question, &operation, basis, answer);
    Ok(response)
}

/// A request that was broken off: each change that it asked for was made wholly or not at all.
fn took_too_long(limit: u64, took: Duration) -> Failure {
    let text = format!("a request may run for {limit} seconds");
    let error = domain::Error::limit(text, limit, took.as_secs());
    let error = error.suggest(
        "ask for less; a mutation with an idempotency key can be sent again to learn what it came to",
    );
    Failure::from(error).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

/// Chooses the operation of a document and checks what the executor leaves open: the method, and that
/// every required variable has a value. Returns the operation's name, for the audit log, and whether it is a query.
fn prepare(request: &mut Request, method: &Method) -> Result<(String, bool), Refusal> {
    let variables = std::mem::take(&mut request.variables);
    let chosen = request.operation_name.clone();
    let document = request
        .parsed_query()
        .map_err(|error| Refusal::Document(Box::new(error)))?;
    let chosen = resolvers::choose(document, chosen.as_deref());
    let (name, operation) = chosen.map_err(|error| document_error(error.to_string()))?;
    match operation.ty {
        OperationType::Mutation if *method == Method::GET => {
            return Err(Failure::method_not_allowed(&Method::POST).into());
        }
        OperationType::Subscription => {
            return Err(invalid("subscriptions are not served over this transport").into());
        }
        _ => {}
    }
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let given = variables.get(&definition.name.node);
        let missing = match given {
            Some(value) => *value == Constant::Null,
            None => definition.default_value.is_none(),
        };
        if missing && !definition.var_type.node.nullable {
            let name = &definition.name.node;
            return Err(document_error(format!(
                "the variable ${name} needs a value"
            )));
        }
    }
    let name = name.map_or_else(|| operation.ty.to_string(), Name::to_string);
    let is_query = operation.ty == OperationType::Query;
    request.variables = variables;
    Ok((name.chars().take(200).collect(), is_query))
}

fn document_error(message: impl Into<String>) -> Refusal {
    let mut error = ServerError::new(message, None);
    error
        .extensions
        .get_or_insert_default()
        .set("code", Code::InvalidInput.as_ref());
    Refusal::Document(Box::new(error))
}

/// An answer in the order of the specification: errors first, data left out when nothing ran.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Constant>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: std::collections::BTreeMap<String, Constant>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self {
            errors: outcome.errors,
            data: Some(outcome.data),
            extensions: outcome.extensions,
        }
    }
}

impl Form {
    fn refuse(&self, failure: Failure) -> Response {
        let mut value = failure.to_graphql();
        value["errors"][0]["extensions"]["requestId"] = self.id.0.as_str().into();
        let mut response = body(&value, self.media);
        failure.add_headers(&mut response);
        response
    }
    /// An error of the request itself has no path; then nothing was executed and there is no data.
    fn answer(&self, mut outcome: Outcome) -> Response {
        for error in &mut outcome.errors {
            // Positions count from 1; a limit of the whole document is at none.
            error.locations.retain(|position| position.line > 0);
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("requestId", self.id.0.as_str());
        }
        let refused = outcome.data == Constant::Null
            && !outcome.errors.is_empty()
            && outcome.errors.iter().all(|error| error.path.is_empty());
        let code = if refused {
            refused_status(&outcome.errors, self.media)
        } else {
            StatusCode::OK
        };
        let mut answer = Answer::from(outcome);
        if refused {
            answer.data = None;
        }
        let mut response = body(&answer, self.media);
        *response.status_mut() = code;
        if code == StatusCode::SERVICE_UNAVAILABLE || code == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

/// Faults on our side have their status in both media types, refused documents in the new one only.
fn refused_status(errors: &[ServerError], media: Media) -> StatusCode {
    let code = errors
        .first()
        .and_then(|error| match error.extensions.as_ref()?.get("code")? {
            Constant::String(text) => Some(text.as_str()),
            _ => None,
        });
    let faults = [Code::Internal, Code::Unavailable, Code::Throttled];
    let fault = faults
        .into_iter()
        .find(|fault| code == Some(fault.as_ref()));
    match (fault, media) {
        (Some(fault), _) => status(fault),
        (None, Media::Json) => StatusCode::OK,
        (None, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
    }
}

fn body(value: &impl Serialize, media: Media) -> Response {
    let bytes = serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer has no JSON form");
        br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#.to_vec()
    });
    json(bytes.into(), media)
}

fn json(bytes: Bytes, media: Media) -> Response {
    let content_type = HeaderValue::from_static(media.content_type());
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Result<Request, Failure> {
        read_fields(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn parameters_have_their_types() {
        assert!(fields(&json!({"query": "{a}", "variables": null, "extensions": {}})).is_ok());
        for wrong in [
            json!({}),
            json!({"query": 1}),
            json!({"query": "{a}", "variables": []}),
            json!({"query": "{a}", "operationName": 1}),
            json!({"query": "{a}", "extensions": "x"}),
        ] {
            let refused = fields(&wrong).map_err(|failure| failure.status());
            assert_eq!(refused.map(|_| ()), Err(StatusCode::BAD_REQUEST));
        }
        assert!(read_query("query=a&query=b").is_err());
        assert!(read_query("query=%7Ba%7D&variables=%7B%7D").is_ok());
    }

    #[test]
    fn a_mutation_needs_post_and_a_required_variable_a_value() {
        let mut mutation = Request::new("mutation { a }");
        assert!(matches!(
            prepare(&mut mutation, &Method::GET),
            Err(Refusal::Failure(failure)) if failure.status() == StatusCode::METHOD_NOT_ALLOWED
        ));
        assert!(prepare(&mut mutation, &Method::POST).is_ok());
        let text = "query Q($a: Int!, $b: Int! = 1, $c: Int) { a }";
        let given = |value| Request::new(text).variables(Variables::from_json(value));
        assert!(prepare(&mut given(json!({"a": 1})), &Method::GET).is_ok());
        for wrong in [json!({}), json!({"a": null}), json!({"a": 1, "b": null})] {
            let refused = prepare(&mut given(wrong), &Method::GET);
            assert!(matches!(refused, Err(Refusal::Document(_))));
        }
    }

    #[test]
    fn the_operation_is_named_when_there_are_several() {
        let several = "query A { a } query B { b }";
        assert!(prepare(&mut Request::new(several), &Method::GET).is_err());
        let mut chosen = Request::new(several).operation_name("B");
        assert_eq!(
            prepare(&mut chosen, &Method::GET).ok(),
            Some(("B".to_owned(), true))
        );
        let mut unknown = Request::new(several).operation_name("C");
        assert!(prepare(&mut unknown, &Method::GET).is_err());
    }
}
