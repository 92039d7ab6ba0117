//! One document, from text to answer: limits, execution, and errors that all carry a code.

use std::{any::TypeId, sync::Arc};

use async_graphql::{
    ErrorExtensionValues, Request, Response, ServerError, ValidationMode, parser::parse_query,
};
use domain::Code;
use exports::Exports;
use futures::{FutureExt as _, future::BoxFuture};
use service::Session;

use crate::{
    Limits, Schema, absent,
    document::{Document, Documents},
    error,
    limits::{Contract, Shares},
    order, request,
};

/// What a request was admitted with: its document, and whether variables without a value were left out of what is executed.
#[derive(Clone)]
pub(crate) struct Admitted {
    pub(crate) document: Arc<Document>,
    is_part: bool,
}

/// The schema with its limits: what the server calls.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    /// For documents that need no validation.
    unvalidated: Schema,
    limits: Limits,
    contract: Contract,
    documents: Documents,
    exports: Exports,
}

impl Api {
    /// Builds the schema.
    pub fn new(limits: Limits, exports: Exports) -> Self {
        let schema = crate::schema(ValidationMode::Strict);
        let contract = Contract::of(&schema.sdl());
        Self {
            schema,
            unvalidated: crate::schema(ValidationMode::Fast),
            limits,
            contract,
            documents: Documents::default(),
            exports,
        }
    }

    /// Checks the limits and parses the document, so that [`async_graphql::Request::parsed_query`] is at hand.
    /// Nothing has run yet.
    ///
    /// # Errors
    /// The answer that refuses the document: `LIMIT_EXCEEDED`, or `PARSE_FAILED`.
    pub fn admit(&self, request: &mut Request) -> Result<(), Box<Response>> {
        let document = match self.documents.get(&request.query) {
            Some(document) => document,
            None => self.read(&request.query)?,
        };
        let admitted = admit(&self.limits, &self.contract, document, request);
        admitted.map_err(|error| refused(&error))
    }

    /// Whether an admitted request has questions to the cubes, which wait for a turn.
    pub fn asks_cubes(request: &Request) -> bool {
        let shares = request.data.get(&TypeId::of::<Shares>());
        let shares = shares.and_then(|shares| shares.downcast_ref::<Shares>());
        shares.is_some_and(Shares::ask)
    }

    /// A document that was not asked for lately.
    fn read(&self, text: &str) -> Result<Arc<Document>, Box<Response>> {
        let tokens = self.limits.check_text(text);
        let tokens = tokens.map_err(|error| refused(&error))?;
        let tree = parse_query(text).map_err(|error| unreadable(error.into()))?;
        let within_limits = self.limits.check_shape(&tree);
        within_limits.map_err(|error| refused(&error))?;
        let document = Arc::new(Document::new(tree, tokens));
        self.documents.keep(text, &document);
        Ok(document)
    }

    /// Executes an admitted document for one caller. Fields stand in the document's order; errors are sorted by their
    /// path, so that the same question has the same bytes. Every error of the answer has a code, and their number is bounded.
    pub async fn execute(&self, session: Session, admitted: Request) -> Response {
        let chosen = admitted.operation_name.clone();
        let of = admitted.data.get(&TypeId::of::<Admitted>());
        let of = of.and_then(|of| of.downcast_ref::<Admitted>()).cloned();
        let is_known = of.as_ref().is_some_and(|Admitted { document, .. }| {
            document.needs_no_validation(chosen.as_deref(), &admitted.variables)
        });
        let schema = if is_known {
            &self.unvalidated
        } else {
            &self.schema
        };
        let (request, turns) = request::attach(session, admitted);
        let request = request.data(self.exports.clone());
        let mut response = turns.take(executed(schema, request)).await;
        for error in &response.errors {
            order::put_null(&mut response.data, &error.path);
        }
        if let Some(Admitted { document, is_part }) = of {
            order::arrange(document.tree(), chosen.as_deref(), &mut response.data);
            // An error without a path refuses the document. What was left out was not validated.
            if !is_part && response.errors.iter().all(|error| !error.path.is_empty()) {
                document.is_found_valid();
            }
        }
        self.finish(response)
    }

    /// Every error gets a code; their number is bounded.
    fn finish(&self, mut response: Response) -> Response {
        response
            .errors
            .sort_by_cached_key(|error| format!("{:?} {:?}", error.locations, error.path));
        let more = response.errors.len().saturating_sub(self.limits.errors);
        response.errors.truncate(self.limits.errors);
        if more > 0 {
            response.errors.push(self.cut(more));
        }
        for error in &mut response.errors {
            let argument = argument(&error.message).map(str::to_owned);
            // Without a path, nothing has run: the document is at fault. With one, a value in it is.
            let code = if error.path.is_empty() && argument.is_none() {
                Code::ValidationFailed
            } else {
                Code::InvalidInput
            };
            let extensions = error.extensions.get_or_insert_default();
            if extensions.get("code").is_none() {
                extensions.set("code", code.as_ref());
                if let Some(field) = argument {
                    extensions.set("field", field);
                }
            }
        }
        response
    }

    /// What stands for the errors that are not shown.
    fn cut(&self, more: usize) -> ServerError {
        let (limit, all) = (
            self.limits.errors as u64,
            (self.limits.errors + more) as u64,
        );
        let text = format!("{more} more errors are not shown");
        let error = error::to_graphql(&domain::Error::limit(text, limit, all));
        let mut error = error.into_server_error(async_graphql::Pos::default());
        error.locations.clear();
        error
    }
}

/// The execution of a request. A function of its own that is not async: what executes fields is compiled here once, and not again in every
/// crate that waits for it, and the depth to which its futures nest is this crate's alone.
#[inline(never)]
fn executed(schema: &Schema, request: Request) -> BoxFuture<'_, Response> {
    schema.execute(request).boxed()
}

/// Checks what of a document is executed with the variables of its request, and adds it to the request with its shares of the cubes'
/// rows.
fn admit(
    limits: &Limits,
    contract: &Contract,
    document: Arc<Document>,
    request: &mut Request,
) -> domain::Result<()> {
    let mut tree = document.tree().clone();
    let chosen = request.operation_name.as_deref();
    let is_part = absent::leave_out(&mut tree, chosen, &request.variables);
    let shares = limits.check_cost(contract, &tree, chosen, &request.variables)?;
    request.data.insert(shares);
    request.set_parsed_query(tree);
    request.data.insert(Admitted { document, is_part });
    Ok(())
}

/// The path of the argument whose value the library refuses because it does not fit its type.
fn argument(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Invalid value for argument \"")?;
    rest.split_once('"').map(|(path, _)| path)
}

/// A document refused as a whole: no place in it is to blame.
fn refused(error: &domain::Error) -> Box<Response> {
    let mut error = error::to_graphql(error).into_server_error(async_graphql::Pos::default());
    error.locations.clear();
    Box::new(Response::from_errors(vec![error]))
}

/// A document that does not parse. The parser repeats the text it was given, which may be long: what it expected is kept.
fn unreadable(mut error: ServerError) -> Box<Response> {
    let expected: String = error
        .message
        .rsplit("= ")
        .next()
        .unwrap_or_default()
        .trim()
        .chars()
        .take(200)
        .collect();
    error.message = format!("the document does not parse: {expected}");
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", Code::ParseFailed.as_ref());
    error.extensions = Some(extensions);
    Box::new(Response::from_errors(vec![error]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: &str = "usage(input: { period: { preset: LAST_30_DAYS }, groupBy: [{ time: HOUR }] }) { rows { key { time } } }";

    /// A document that was admitted, and the shares of its questions in the order of the text; or why it was not.
    fn admitted(request: impl Into<Request>) -> Result<(Request, Vec<usize>), Code> {
        let mut request = request.into();
        let tree = parse_query(&request.query).expect("a document");
        let document = Arc::new(Document::new(tree, 0));
        let contract = Contract::of(&crate::sdl());
        let admitted = admit(&Limits::default(), &contract, document, &mut request);
        admitted.map_err(|error| error.code())?;
        let lines = request.query.lines().enumerate();
        let places = lines.flat_map(|(line, text)| {
            text.match_indices("usage(")
                .map(move |(column, _)| async_graphql::Pos {
                    line: line + 1,
                    column: column + 1,
                })
        });
        let shares = request.data.get(&TypeId::of::<Shares>());
        let shares = shares.and_then(|shares| shares.downcast_ref::<Shares>());
        let shares = shares.expect("shares");
        let found = places.map(|place| shares.of(place)).collect();
        Ok((request, found))
    }

    #[test]
    fn a_change_that_is_answered_with_usage_is_bounded_like_a_question() {
        let page = format!("sims(first: 100) {{ nodes {{ {USAGE} }} }}");
        let of_customer = "updateCustomer(input: { customerId: \"c\", name: \"n\" }) { customer";
        for document in [
            format!("{{ customer(by: {{ id: \"c\" }}) {{ {page} }} }}"),
            format!("mutation {{ {of_customer} {{ {page} }} }} }}"),
        ] {
            let (request, shares) = admitted(document).expect("admitted");
            assert!(Api::asks_cubes(&request));
            assert_eq!(shares, [100]);
        }
        let (request, _) =
            admitted(format!("mutation {{ {of_customer} {{ id }} }} }}")).expect("admitted");
        assert!(!Api::asks_cubes(&request));
        let large = "rows { values { bytesUp bytesDown records units bytesTotal activeSims } }";
        let usage = format!(
            "usage(input: {{ period: {{ preset: LAST_30_DAYS }}, groupBy: [{{ time: HOUR }}], limit: 10000 }}) {{ {large} }}"
        );
        let page = format!("sims(first: 200) {{ nodes {{ {usage} }} }}");
        let refused = admitted(format!("mutation {{ {of_customer} {{ {page} }} }} }}"));
        assert_eq!(refused.map(|_| ()), Err(Code::LimitExceeded));
    }

    #[test]
    fn operations_that_are_not_executed_cost_nothing() {
        let few = format!(
            "query Few {{ sims(first: 2) {{ nodes {{ ...F }} }} }} fragment F on Sim {{\n{USAGE} }}"
        );
        let many = "query Many($n: Int! = 200) { sims(first: $n) { nodes { ...F } } }";
        let none = "query None { me { role } }";
        let large = "query Large { customers(first: 200) { nodes { sims(first: 200) { nodes { iccid msisdn imsi state createdAt updatedAt id labels { key value } } } } } }";
        let document = format!("{few} {many} {none} {large}");
        let chosen = |name: &str| admitted(Request::new(&*document).operation_name(name));
        assert_eq!(chosen("Few").expect("admitted").1, [5_000]);
        assert_eq!(chosen("Many").expect("admitted").1, [50]);
        assert!(!Api::asks_cubes(&chosen("None").expect("admitted").0));
        assert_eq!(chosen("Large").map(|_| ()), Err(Code::LimitExceeded));
    }

    #[test]
    fn a_variable_that_is_left_out_costs_what_its_default_costs() {
        let field = |n: usize| {
            format!(
                "a{n}: usage(input: {{ period: {{ preset: LAST_30_DAYS }}, timeZone: $zone, groupBy: [{{ dimension: SERVICE }}], others: $others }}) \
                 {{ rows {{ values {{ bytesUp bytesDown records units bytesTotal }} }} }}"
            )
        };
        let fields: String = (0..8).map(field).collect();
        let document = format!("query($zone: String, $others: Boolean) {{ {fields} }}");
        let given = serde_json::json!({ "zone": "UTC", "others": false });
        for variables in [given, serde_json::json!({})] {
            let variables = async_graphql::Variables::from_json(variables);
            let found = admitted(Request::new(&*document).variables(variables));
            assert!(found.is_ok(), "{:?}", found.err());
        }
    }
}
