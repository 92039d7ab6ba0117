//! One document, from text to answer: limits, execution, and errors that all carry a code.

use async_graphql::{Response, ServerError, parser::parse_query};
use domain::Code;

use crate::{Limits, Request, Schema, error};

/// The schema with its limits: what the server calls.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    limits: Limits,
}

impl Api {
    /// Builds the schema.
    pub fn new(limits: Limits) -> Self {
        Self {
            schema: crate::schema(),
            limits,
        }
    }

    /// Checks the limits and parses the document, so that [`async_graphql::Request::parsed_query`] is at hand.
    /// Nothing has run yet.
    ///
    /// # Errors
    /// The answer that refuses the document: `LIMIT_EXCEEDED`, or `INVALID_INPUT` when it does not parse.
    pub fn admit(&self, document: &mut async_graphql::Request) -> Result<(), Box<Response>> {
        self.limits
            .check_text(&document.query)
            .map_err(|error| refused(&error))?;
        let parsed = parse_query(&document.query)
            .map_err(|error| Box::new(self.finish(Response::from_errors(vec![error.into()]))))?;
        self.limits
            .check(&parsed, &document.variables)
            .map_err(|error| refused(&error))?;
        document.set_parsed_query(parsed);
        Ok(())
    }

    /// Executes an admitted document for one caller. Every error of the answer has a code, and their number is bounded.
    pub async fn execute(&self, request: Request, admitted: async_graphql::Request) -> Response {
        self.finish(self.schema.execute(request.attach(admitted)).await)
    }

    /// Errors without a code come from parsing and validation: the document is at fault.
    fn finish(&self, mut response: Response) -> Response {
        let more = response.errors.len().saturating_sub(self.limits.errors);
        response.errors.truncate(self.limits.errors);
        if more > 0 {
            response.errors.push(ServerError::new(
                format!("{more} more errors are not shown"),
                None,
            ));
        }
        for error in &mut response.errors {
            let extensions = error.extensions.get_or_insert_default();
            if extensions.get("code").is_none() {
                extensions.set("code", Code::InvalidInput.as_str());
            }
        }
        response
    }
}

fn refused(error: &domain::Error) -> Box<Response> {
    let error = error::to_graphql(error).into_server_error(async_graphql::Pos::default());
    Box::new(Response::from_errors(vec![error]))
}
