//! Optional variables that a request leaves out. An argument or an input field that is such a variable counts as left out
//! itself, so that its default applies (GraphQL specification 6.4.1 and 3.10); the executor would take it for null.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
    },
};
use async_graphql_value::Value;

use crate::operation::{Fragments, choose_mut};

/// Takes optional variables without a value and all that is nothing else out of the operation that `chosen` names, and out of
/// the fragments. Returns whether there were any.
pub(crate) fn leave_out(
    document: &mut ExecutableDocument,
    chosen: Option<&str>,
    variables: &Variables,
) -> bool {
    // Without one, the request is refused later.
    let Ok(operation) = choose_mut(document, chosen) else {
        return false;
    };
    let absent = absent(&operation.node, variables);
    if absent.is_empty() {
        return false;
    }
    let definitions = &mut operation.node.variable_definitions;
    definitions.retain(|definition| !absent.contains(&definition.node.name.node));
    strip(&mut operation.node.selection_set.node, &absent);
    keep_only(document, chosen);
    for fragment in document.fragments.values_mut() {
        strip(&mut fragment.node.selection_set.node, &absent);
    }
    true
}

/// Takes other operations out, with the fragments that they alone spread: in those, too, they may need what is left out.
fn keep_only(document: &mut ExecutableDocument, chosen: Option<&str>) {
    let DocumentOperations::Multiple(operations) = &mut document.operations else {
        return;
    };
    if operations.len() < 2 {
        return;
    }
    operations.retain(|name, _| chosen == Some(name.as_str()));
    let mut spread = HashSet::new();
    for operation in operations.values() {
        let set = &operation.node.selection_set.node;
        collect_spread(set, &document.fragments, &mut spread);
    }
    document.fragments.retain(|name, _| spread.contains(name));
}

fn collect_spread(set: &SelectionSet, fragments: &Fragments, spread: &mut HashSet<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                collect_spread(&field.node.selection_set.node, fragments, spread);
            }
            Selection::InlineFragment(inline) => {
                collect_spread(&inline.node.selection_set.node, fragments, spread);
            }
            Selection::FragmentSpread(name) => {
                let name = &name.node.fragment_name.node;
                let fragment = fragments.get(name).filter(|_| spread.insert(name.clone()));
                if let Some(fragment) = fragment {
                    collect_spread(&fragment.node.selection_set.node, fragments, spread);
                }
            }
        }
    }
}

fn absent(operation: &OperationDefinition, variables: &Variables) -> HashSet<Name> {
    let definitions = operation.variable_definitions.iter();
    definitions
        .map(|definition| &definition.node)
        .filter(|definition| definition.var_type.node.nullable)
        .filter(|definition| definition.default_value.is_none())
        .map(|definition| definition.name.node.clone())
        .filter(|name| !variables.contains_key(name))
        .collect()
}

fn strip(set: &mut SelectionSet, absent: &HashSet<Name>) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                strip_arguments(&mut field.node.arguments, absent);
                strip(&mut field.node.selection_set.node, absent);
            }
            Selection::InlineFragment(fragment) => {
                strip(&mut fragment.node.selection_set.node, absent);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn strip_arguments(
    arguments: &mut Vec<(Positioned<Name>, Positioned<Value>)>,
    absent: &HashSet<Name>,
) {
    arguments.retain(|(_, value)| !is_absent(&value.node, absent));
    for (_, value) in arguments {
        strip_value(&mut value.node, absent);
    }
}

fn strip_value(value: &mut Value, absent: &HashSet<Name>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !is_absent(value, absent));
            fields
                .values_mut()
                .for_each(|value| strip_value(value, absent));
        }
        // An element is null instead: a list does not get shorter.
        Value::List(items) => {
            for item in items {
                if is_absent(item, absent) {
                    *item = Value::Null;
                }
                strip_value(item, absent);
            }
        }
        _ => {}
    }
}

fn is_absent(value: &Value, absent: &HashSet<Name>) -> bool {
    matches!(value, Value::Variable(name) if absent.contains(name))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn left(text: &str, chosen: Option<&str>, variables: serde_json::Value) -> String {
        let mut document = parse_query(text).expect("a document");
        leave_out(&mut document, chosen, &Variables::from_json(variables));
        // Without the places in the text.
        let mut shown = format!("{document:?}");
        for text in ["Positioned", "Pos"] {
            shown = shown.replace(text, "");
        }
        shown
    }

    #[test]
    fn only_optional_variables_without_a_value_go() {
        let text = "query($a: Int, $b: Int = 1, $c: Int!, $d: Int) { f(a: $a, b: $b, c: $c, d: $d, l: [$a]) }";
        let left = left(text, None, json!({ "c": 1, "d": null }));
        for (variable, stays) in [("a", false), ("b", true), ("c", true), ("d", true)] {
            let named = format!("Variable(Name(\"{variable}\"))");
            assert_eq!(left.contains(&named), stays, "{variable}: {left}");
        }
        assert!(left.contains("List([Null])"), "{left}");
    }

    #[test]
    fn other_operations_go_with_their_fragments_when_something_is_left_out() {
        let text = "query A($a: Int) { ...f } query B($a: Int!, $b: Int) { ...f ...g f(b: $b) } \
            fragment f on Query { f(o: { a: $a }) ...h } fragment g on Query { g(a: $a) } fragment h on Query { h }";
        let found = left(text, Some("A"), json!({}));
        for gone in [
            "Variable(Name(\"a\"))",
            "Variable(Name(\"b\"))",
            "Name(\"g\")",
            "Name(\"B\")",
        ] {
            assert!(!found.contains(gone), "{gone}: {found}");
        }
        assert!(found.contains("Name(\"h\")"), "{found}");
        let found = left(text, Some("A"), json!({ "a": 1 }));
        assert!(
            found.contains("Name(\"g\")") && found.contains("Name(\"B\")"),
            "{found}"
        );
    }
}
