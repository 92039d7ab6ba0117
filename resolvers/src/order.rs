//! Gives an answer the shape of its document: every selected field, in order (GraphQL specification 6.4.4, 7.2.2). The
//! executor writes fields as they complete and leaves failed ones out.

use async_graphql::{
    Name, PathSegment, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

use crate::operation::{Fragments, choose};

/// The response keys of one selection in order, each with what is selected below it.
type Fields<'a> = IndexMap<&'a str, Vec<&'a SelectionSet>>;

/// Arranges `data`, the answer to the operation that `operation_name` chooses.
pub(crate) fn arrange(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
    data: &mut Value,
) {
    if let Ok((_, operation)) = choose(document, operation_name) {
        let selected = &operation.selection_set.node;
        arrange_value(&document.fragments, &[selected], data);
    }
}

/// Writes the null of a field that failed. The executor leaves the field out, but a client may rely on each selected
/// field being there (GraphQL specification 6.4.4). Fields that can fail are nullable in this schema.
pub(crate) fn put_null(data: &mut Value, path: &[PathSegment]) {
    let Some((last, way)) = path.split_last() else {
        return;
    };
    let mut place = data;
    for segment in way {
        let next = match (place, segment) {
            (Value::Object(object), PathSegment::Field(name)) => object.get_mut(name.as_str()),
            (Value::List(items), PathSegment::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return };
        place = next;
    }
    if *place == Value::Null {
        *place = Value::Object(IndexMap::new());
    }
    if let (Value::Object(object), PathSegment::Field(name)) = (place, last) {
        object.entry(Name::new(name)).or_insert(Value::Null);
    }
}

fn arrange_value(fragments: &Fragments, sets: &[&SelectionSet], value: &mut Value) {
    let mut fields = Fields::new();
    for set in sets {
        collect(fragments, set, &mut fields);
    }
    if !fields.is_empty() {
        apply(fragments, &fields, value);
    }
}

fn apply(fragments: &Fragments, fields: &Fields<'_>, value: &mut Value) {
    match value {
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| apply(fragments, fields, item)),
        Value::Object(object) => {
            // Only keys of fragments on other types are missing; the rest is in order more often than not.
            let expected = fields.keys().filter(|key| object.contains_key(**key));
            if !expected.copied().eq(object.keys().map(Name::as_str)) {
                object.sort_by_cached_key(|key, _| fields.get_index_of(key.as_str()));
            }
            for (key, below) in fields {
                if let Some(value @ (Value::Object(_) | Value::List(_))) = object.get_mut(*key) {
                    arrange_value(fragments, below, value);
                }
            }
        }
        _ => {}
    }
}

/// Whether two fields under one selection have the same key, anywhere in it: the executor merges what they answer.
pub(crate) fn merges(fragments: &Fragments, set: &SelectionSet) -> bool {
    let mut fields = Fields::new();
    collect(fragments, set, &mut fields);
    fields.values().any(|below| match below[..] {
        [only] => merges(fragments, only),
        _ => true,
    })
}

fn collect<'a>(fragments: &'a Fragments, set: &'a SelectionSet, fields: &mut Fields<'a>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let key = field.node.response_key().node.as_str();
                fields
                    .entry(key)
                    .or_default()
                    .push(&field.node.selection_set.node);
            }
            Selection::InlineFragment(inline) => {
                collect(fragments, &inline.node.selection_set.node, fields);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect(fragments, &fragment.node.selection_set.node, fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_the_document() {
        let document = parse_query(
            "{ b { y ...F x } ... on Query { a } c: b { z } b { w } } fragment F on T { z }",
        )
        .expect("a document");
        let shuffled =
            json!({ "a": 1, "b": [{ "w": 0, "x": 1, "z": 2, "y": 3 }], "c": { "z": 1 } });
        let mut data = Value::from_json(shuffled).expect("a value");
        arrange(&document, None, &mut data);
        let text = serde_json::to_string(&data).expect("text");
        assert_eq!(
            text,
            r#"{"b":[{"y":3,"z":2,"x":1,"w":0}],"a":1,"c":{"z":1}}"#
        );
    }
}
