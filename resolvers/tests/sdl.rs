//! The published contract cannot drift from the running schema, and it is documentation.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};

#[test]
fn the_committed_sdl_is_the_running_schema() {
    let committed = include_str!("../../schema/schema.graphql");
    assert!(
        committed == resolvers::sdl(),
        "schema/schema.graphql is not the running schema: ./dev simcube sdl > schema/schema.graphql, and read the difference"
    );
}

#[test]
fn everything_is_described() {
    let document = parse_schema(resolvers::sdl()).expect("valid SDL");
    let mut bare = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let (name, ty) = (ty.node.name.node.to_string(), ty.node);
        if ty.description.is_none() {
            bare.push(name.clone());
        }
        let fields = match &ty.kind {
            TypeKind::Object(object) => object.fields.clone(),
            TypeKind::Interface(interface) => interface.fields.clone(),
            _ => Vec::new(),
        };
        for field in fields {
            let path = format!("{name}.{}", field.node.name.node);
            if field.node.description.is_none() {
                bare.push(path.clone());
            }
            let undescribed = field
                .node
                .arguments
                .iter()
                .filter(|a| a.node.description.is_none());
            bare.extend(undescribed.map(|argument| format!("{path}({})", argument.node.name.node)));
        }
        match &ty.kind {
            TypeKind::InputObject(input) => {
                let undescribed = input
                    .fields
                    .iter()
                    .filter(|field| field.node.description.is_none());
                bare.extend(undescribed.map(|field| format!("{name}.{}", field.node.name.node)));
            }
            TypeKind::Enum(words) => {
                let undescribed = words
                    .values
                    .iter()
                    .filter(|value| value.node.description.is_none());
                bare.extend(undescribed.map(|value| format!("{name}.{}", value.node.value.node)));
            }
            _ => {}
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}
