//! Changes: what they do, what they refuse as data of their payload, and the trace that they leave.

mod customer;
mod label;
mod rule;
mod saved_filter;
#[path = "../world/mod.rs"]
mod world;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// The payload of a mutation with one `input`; the answer has no errors of its own.
async fn change(world: &World, mutation: &str, input: Value, selection: &str) -> Value {
    let (first, rest) = mutation.split_at(1);
    let ty = format!("{}{rest}Input", first.to_uppercase());
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code message field }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    answer["data"][mutation].clone()
}

/// Code and field of the only user error; nothing was changed.
fn refused(payload: &Value) -> (&str, &str) {
    let error = &payload["userErrors"][0];
    assert_eq!(
        payload["userErrors"].as_array().map(Vec::len),
        Some(1),
        "{payload}"
    );
    (
        error["code"].as_str().expect("a code"),
        error["field"].as_str().unwrap_or(""),
    )
}
