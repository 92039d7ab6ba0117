//! Documents that are asked again: each is parsed once, and validated as long as it was not found valid.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{
    Name, Value, Variables,
    parser::types::{BaseType, ExecutableDocument, Type},
};
use moka::sync::Cache;

use crate::{operation::choose, order::merges};

/// Bytes that all kept documents take together, about; those that were not asked for longest go first.
const BOUND: u64 = 16 << 20;
/// Bytes that a token of a document takes in its tree at most, about.
const TOKEN: usize = 256;

/// A parsed document.
pub(crate) struct Document {
    tree: ExecutableDocument,
    tokens: usize,
    merges: bool,
    is_valid: AtomicBool,
}

impl Document {
    /// A document of so many tokens, within its limits.
    pub(crate) fn new(tree: ExecutableDocument, tokens: usize) -> Self {
        let operations = tree.operations.iter().map(|(_, operation)| &operation.node);
        let mut sets = operations.map(|operation| &operation.selection_set.node);
        let merges = sets.any(|set| merges(&tree.fragments, set));
        Self {
            tree,
            tokens,
            merges,
            is_valid: AtomicBool::new(false),
        }
    }

    /// What was parsed.
    pub(crate) fn tree(&self) -> &ExecutableDocument {
        &self.tree
    }

    /// Whether an object of an answer has a key that two fields are merged under.
    pub(crate) fn merges(&self) -> bool {
        self.merges
    }

    /// Remembers that the contract knows everything it asks for.
    pub(crate) fn is_found_valid(&self) {
        self.is_valid.store(true, Ordering::Relaxed);
    }

    /// Whether nothing has to be validated: the document was found valid, and so is any value of these variables that is of
    /// their type and is there. A null may stand where none is allowed, and one operation's variables may mean
    /// something in fragments that another one spreads.
    pub(crate) fn needs_no_validation(&self, chosen: Option<&str>, variables: &Variables) -> bool {
        let is_valid = self.is_valid.load(Ordering::Relaxed);
        let Ok((_, operation)) = choose(&self.tree, chosen) else {
            return false;
        };
        let mut definitions = operation.variable_definitions.iter().map(|it| &it.node);
        let defines = |name: &Name| definitions.clone().any(|it| it.name.node == *name);
        is_valid
            && variables.keys().all(defines)
            && definitions.all(|definition| {
                let given = variables.get(&definition.name.node);
                match given {
                    Some(value) => is_of(&definition.var_type.node, value),
                    None => definition.default_value.is_some(),
                }
            })
    }
}

/// Whether a value is of a type, as far as GraphQL itself says what that means. What our own types take is validated.
fn is_of(expected: &Type, value: &Value) -> bool {
    match (&expected.base, value) {
        (_, Value::Null) => false,
        (BaseType::Named(name), value) => match (name.as_str(), value) {
            ("String" | "ID", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
            ("Int", Value::Number(number)) => number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            _ => false,
        },
        (BaseType::List(item), Value::List(values)) => {
            values.iter().all(|value| is_of(item, value))
        }
        (BaseType::List(_), _) => false,
    }
}

/// The documents that were asked for lately, by their text. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Documents(Cache<Arc<str>, Arc<Document>>);

impl Default for Documents {
    fn default() -> Self {
        let weigh = |text: &Arc<str>, document: &Arc<Document>| {
            // Long strings are in the text and in the tree.
            u32::try_from(2 * text.len() + TOKEN * document.tokens).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(weigh).max_capacity(BOUND).build())
    }
}

impl Documents {
    /// The document of this text.
    pub(crate) fn get(&self, text: &str) -> Option<Arc<Document>> {
        self.0.get(text)
    }

    /// Keeps a document.
    pub(crate) fn keep(&self, text: &str, document: &Arc<Document>) {
        self.0.insert(text.into(), document.clone());
    }

    /// Bytes that the kept documents take now, about.
    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn document(text: &str) -> Document {
        Document::new(parse_query(text).expect("a document"), 10)
    }

    #[test]
    fn documents_stay_within_their_bound() {
        let (documents, document) = (Documents::default(), Arc::new(document("{ a }")));
        let filling = "x".repeat(1_000);
        for n in 0..10_000 {
            documents.keep(&format!("{{ a }} # {n} {filling}"), &document);
        }
        let bytes = documents.bytes();
        assert!((BOUND / 2..=BOUND).contains(&bytes), "{bytes}");
    }

    #[test]
    fn fields_of_one_key_are_merged() {
        for (text, expected) in [
            ("{ a b { a } c: a }", false),
            ("{ a a }", true),
            ("{ b: a b }", true),
            ("{ a { b } ...F } fragment F on Query { c }", false),
            ("{ a { b } ...F } fragment F on Query { a { c } }", true),
            ("{ a { b ... { b } } }", true),
            ("query A { a } query B { a { b b } }", true),
        ] {
            assert_eq!(document(text).merges(), expected, "{text}");
        }
    }

    #[test]
    fn what_was_found_valid_is_not_validated_again_with_values_of_its_types() {
        let document = document(
            "query($a: String, $b: Int!, $c: [ID!], $d: Boolean = true) { a(a: $a, b: $b, c: $c, d: $d) }",
        );
        let known =
            |variables| document.needs_no_validation(None, &Variables::from_json(variables));
        assert!(
            !known(json!({ "a": "x", "b": 1, "c": ["y"] })),
            "never validated"
        );
        document.is_found_valid();
        for (variables, expected) in [
            (json!({ "a": "x", "b": 1, "c": ["y"], "d": false }), true),
            (json!({ "a": "x", "b": 1, "c": ["y"] }), true),
            (json!({ "a": "x", "b": 1 }), false),
            (json!({ "a": "x", "b": 1, "c": ["y"], "d": null }), false),
            (json!({ "a": "x", "b": 1, "c": [null] }), false),
            (json!({ "a": null, "b": 1, "c": ["y"] }), false),
            (json!({ "a": "x", "b": 1, "c": ["y"], "z": 1 }), false),
            (json!({}), false),
            (
                json!({ "a": "x", "b": 4_294_967_296_u64, "c": ["y"] }),
                false,
            ),
            (json!({ "a": "x", "b": 1.5, "c": ["y"] }), false),
            (json!({ "a": 1, "b": 1, "c": ["y"] }), false),
            (json!({ "a": "x", "b": 1, "c": "y" }), false),
        ] {
            assert_eq!(known(variables.clone()), expected, "{variables}");
        }
    }
}
