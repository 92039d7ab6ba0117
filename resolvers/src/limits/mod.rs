//! What one document may ask for. Everything is checked before execution, and before a store is touched.
//!
//! The checks run on the parsed document and not as an `async-graphql` extension, because any extension moves every
//! field onto a slower path.

mod cost;
mod size;
mod token;

use async_graphql::{
    Name, Variables,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};
use domain::{Error, Result};
use serde::{Deserialize, Serialize};

pub(crate) use cost::Shares;

use crate::operation::{Fragments, choose};

/// Limits of one GraphQL document. The defaults fit the console and `GraphiQL`'s introspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest document in bytes; its variables are not counted.
    pub bytes: usize,
    /// Most tokens of a document.
    pub tokens: usize,
    /// Deepest nesting of selections.
    pub depth: usize,
    /// Most fields under one selection set, fragments spread.
    pub breadth: usize,
    /// Most aliased fields.
    pub aliases: usize,
    /// Most directives.
    pub directives: usize,
    /// Most values an answer may hold, estimated from page sizes and limits.
    pub cost: u64,
    /// Most errors of one answer; the rest is counted.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 100_000,
            tokens: 5_000,
            depth: 16,
            breadth: 120,
            aliases: 50,
            directives: 50,
            cost: 400_000,
            errors: 20,
        }
    }
}

/// The shape of the contract, as far as the cost of a document depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Contract(std::sync::Arc<size::Shapes>);

impl Contract {
    /// Reads it from the SDL.
    pub(crate) fn of(sdl: &str) -> Self {
        Self(std::sync::Arc::new(size::Shapes::of(sdl)))
    }
}

impl Limits {
    /// Refuses a document by its text alone, so that the parser never sees one that is too long or too deep. Returns how many
    /// tokens it has.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`.
    pub(crate) fn check_text(&self, document: &str) -> Result<usize> {
        within("bytes", document.len(), self.bytes)?;
        let shape = token::shape(document);
        within("tokens", shape.tokens, self.tokens)?;
        // Braces also come from input objects, which nest less deep than selections may.
        within("levels of nesting", shape.nesting, self.depth * 2)?;
        Ok(shape.tokens)
    }

    /// Refuses a parsed document by its shape.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, or `INVALID_INPUT` for fragments that contain themselves.
    pub(crate) fn check_shape(&self, document: &ExecutableDocument) -> Result<()> {
        let mut walk = Walk {
            limits: self,
            fragments: &document.fragments,
            path: Vec::new(),
            totals: Totals::default(),
        };
        for (_, operation) in document.operations.iter() {
            walk.totals.directives += operation.node.directives.len();
            walk.selection(&operation.node.selection_set.node, 1)?;
            walk.check_totals()?;
        }
        Ok(())
    }

    /// Refuses a document of bounded shape by the estimated cost of the operation that `chosen` names, with these variables. Returns
    /// the shares of its questions to the cubes.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`.
    pub(crate) fn check_cost(
        &self,
        contract: &Contract,
        document: &ExecutableDocument,
        chosen: Option<&str>,
        variables: &Variables,
    ) -> Result<Shares> {
        // Without an operation, the request is refused later.
        let Ok((_, operation)) = choose(document, chosen) else {
            return Ok(Shares::default());
        };
        let (cost, shares) = cost::estimate(&contract.0, &document.fragments, operation, variables);
        if cost <= self.cost {
            return Ok(shares);
        }
        let message = format!(
            "the answer may hold {cost} values, more than the limit of {}",
            self.cost
        );
        Err(Error::limit(message, self.cost, cost)
            .suggest("ask for smaller pages, or give questions about usage a limit"))
    }
}

fn within(what: &str, count: usize, limit: usize) -> Result<()> {
    if count <= limit {
        return Ok(());
    }
    let message = format!("the document has more than {limit} {what}");
    Err(Error::limit(message, limit as u64, count as u64))
}

/// What is counted over the whole document, fragments spread where they are used.
#[derive(Default)]
struct Totals {
    aliases: usize,
    directives: usize,
    selections: usize,
}

struct Walk<'a> {
    limits: &'a Limits,
    fragments: &'a Fragments,
    path: Vec<&'a Name>,
    totals: Totals,
}

impl<'a> Walk<'a> {
    fn selection(&mut self, set: &'a SelectionSet, depth: usize) -> Result<usize> {
        within("levels of nesting", depth, self.limits.depth)?;
        let mut fields = 0;
        for selection in &set.items {
            // Spread fragments can be many times the document; the walk itself stays bounded.
            self.totals.selections += 1;
            within(
                "selections, fragments spread",
                self.totals.selections,
                self.limits.tokens,
            )?;
            fields += match &selection.node {
                Selection::Field(field) => {
                    self.totals.aliases += usize::from(field.node.alias.is_some());
                    self.totals.directives += field.node.directives.len();
                    self.selection(&field.node.selection_set.node, depth + 1)?;
                    1
                }
                Selection::InlineFragment(inline) => {
                    self.totals.directives += inline.node.directives.len();
                    self.selection(&inline.node.selection_set.node, depth)?
                }
                Selection::FragmentSpread(spread) => {
                    self.totals.directives += spread.node.directives.len();
                    self.fragment(&spread.node.fragment_name.node, depth)?
                }
            };
        }
        within("fields under one selection", fields, self.limits.breadth)?;
        self.check_totals()?;
        Ok(fields)
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Result<usize> {
        if self.path.contains(&name) {
            return Err(Error::invalid("a fragment contains itself"));
        }
        // An unknown fragment is left to validation, which names it.
        let Some(fragment) = self.fragments.get(name) else {
            return Ok(0);
        };
        self.path.push(name);
        let fields = self.selection(&fragment.node.selection_set.node, depth)?;
        self.path.pop();
        Ok(fields)
    }

    fn check_totals(&self) -> Result<()> {
        within("aliases", self.totals.aliases, self.limits.aliases)?;
        within("directives", self.totals.directives, self.limits.directives)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use domain::Code;

    use super::*;

    fn verdict(document: &str) -> std::result::Result<(), (Code, String)> {
        let limits = Limits::default();
        let refused = |error: Error| (error.code(), error.to_string());
        limits.check_text(document).map_err(refused)?;
        let parsed = parse_query(document).expect("a document");
        limits.check_shape(&parsed).map_err(refused)?;
        limits
            .check_cost(
                &Contract::of(&crate::sdl()),
                &parsed,
                None,
                &Variables::default(),
            )
            .map(drop)
            .map_err(refused)
    }

    fn code(document: &str) -> Option<Code> {
        verdict(document).err().map(|(code, _)| code)
    }

    #[test]
    fn ordinary_documents_pass() {
        assert_eq!(
            verdict(
                "{ sims(first: 50) { nodes { iccid customer { name } labels { key value } } } }"
            ),
            Ok(())
        );
    }

    #[test]
    fn one_alias_too_many_is_refused() {
        let aliased = |n: usize| {
            let fields: String = (0..n).map(|i| format!("a{i}: me {{ role }} ")).collect();
            format!("{{ {fields} }}")
        };
        assert_eq!(code(&aliased(50)), None);
        assert_eq!(code(&aliased(51)), Some(Code::LimitExceeded));
        assert_eq!(code(&aliased(101)), Some(Code::LimitExceeded));
    }

    #[test]
    fn duplicate_fields_deep_nesting_and_directives_are_refused() {
        assert_eq!(
            code(&format!("{{ me {{ {} }} }}", "role ".repeat(5_000))),
            Some(Code::LimitExceeded)
        );
        assert_eq!(
            code(&format!("{{ me {{ {} }} }}", "role ".repeat(121))),
            Some(Code::LimitExceeded)
        );
        let deep = format!("{}role{}", "{ me ".repeat(50), " }".repeat(50));
        assert_eq!(code(&deep), Some(Code::LimitExceeded));
        let directed = format!("{{ me {} {{ role }} }}", "@include(if: true) ".repeat(51));
        assert_eq!(code(&directed), Some(Code::LimitExceeded));
    }

    #[test]
    fn fragments_cannot_cycle_or_explode() {
        let cycle = "query { ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
        assert_eq!(code(cycle), Some(Code::InvalidInput));
        let mut bomb = String::from("{ ...F0 }");
        for i in 0..30 {
            bomb.push_str(&format!(
                " fragment F{i} on Query {{ ...F{n} ...F{n} }}",
                n = i + 1
            ));
        }
        bomb.push_str(" fragment F30 on Query { me { role } }");
        assert_eq!(code(&bomb), Some(Code::LimitExceeded));
    }

    #[test]
    fn cost_multiplies_page_sizes() {
        let rows = "rows { values { bytesUp bytesDown } }";
        let nested = |first, limit| {
            let input = format!(
                "{{period: {{preset: LAST_MONTH}}, groupBy: [{{dimension: NETWORK}}], limit: {limit}}}"
            );
            format!(
                "{{ sims(first: {first}) {{ nodes {{ usage(input: {input}) {{ {rows} }} }} }} }}"
            )
        };
        assert_eq!(code(&nested(50, 31)), None);
        assert_eq!(code(&nested(200, 10_000)), Some(Code::LimitExceeded));
    }
}
