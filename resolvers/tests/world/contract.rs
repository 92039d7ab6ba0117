//! What the contract declares, so that tests ask it what there is and nothing that is added to it is left out.

use std::collections::BTreeMap;

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition},
    },
};

/// The types of the contract by their names.
pub(crate) struct Contract(BTreeMap<String, TypeKind>);

/// A list that can be asked for: a field of `Query` with a filter, an order and pages.
pub(crate) struct Declared {
    pub(crate) field: String,
    /// The type of its filter.
    pub(crate) filter: String,
    /// The conditions of its filter, and whether each takes a list of values.
    pub(crate) conditions: Vec<(String, bool)>,
    /// The type of its order.
    pub(crate) order: String,
    /// What it can be sorted by.
    pub(crate) sorted_by: Vec<String>,
}

impl Contract {
    pub(crate) fn new() -> Self {
        let document = parse_schema(resolvers::sdl()).expect("valid SDL");
        let types = document.definitions.into_iter();
        let types = types.filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node.kind)),
            _ => None,
        });
        Self(types.collect())
    }

    /// Object types with their fields.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&str, &[Positioned<FieldDefinition>])> {
        self.0.iter().filter_map(|(name, kind)| match kind {
            TypeKind::Object(object) => Some((name.as_str(), object.fields.as_slice())),
            _ => None,
        })
    }

    /// The names of an object type's fields.
    pub(crate) fn fields(&self, ty: &str) -> impl Iterator<Item = String> {
        let fields = self.objects().filter(move |(name, _)| *name == ty);
        fields
            .flat_map(|(_, fields)| fields)
            .map(|field| field.node.name.node.to_string())
    }

    fn inputs(&self, ty: &str) -> &[Positioned<InputValueDefinition>] {
        match &self.0[ty] {
            TypeKind::InputObject(input) => &input.fields,
            _ => panic!("{ty} is no input"),
        }
    }

    fn words(&self, ty: &str) -> Vec<String> {
        match &self.0[ty] {
            TypeKind::Enum(words) => words
                .values
                .iter()
                .map(|word| word.node.value.node.to_string())
                .collect(),
            _ => panic!("{ty} is no enum"),
        }
    }

    /// Every list.
    pub(crate) fn lists(&self) -> Vec<Declared> {
        let (_, queries) = self
            .objects()
            .find(|(name, _)| *name == "Query")
            .expect("the queries");
        let list = |field: &Positioned<FieldDefinition>| {
            let of = |name| named(&field.node.arguments, name).map(|it| base(it).to_owned());
            let (filter, order, _) = (of("filter")?, of("orderBy")?, of("first")?);
            let operators = ["and", "or", "not"];
            let conditions = self.inputs(&filter).iter().map(|it| &it.node);
            let conditions = conditions
                .map(|it| (it.name.node.to_string(), it.ty.node.to_string()))
                .filter(|(name, _)| !operators.contains(&name.as_str()))
                .map(|(name, ty)| (name, ty.starts_with('[')));
            let by = named(self.inputs(&order), "field").expect("a field");
            Some(Declared {
                field: field.node.name.node.to_string(),
                conditions: conditions.collect(),
                sorted_by: self.words(base(by)),
                filter,
                order,
            })
        };
        queries.iter().filter_map(list).collect()
    }
}

fn named<'a>(
    inputs: &'a [Positioned<InputValueDefinition>],
    name: &str,
) -> Option<&'a InputValueDefinition> {
    let inputs = inputs.iter().map(|input| &input.node);
    inputs.into_iter().find(|input| input.name.node == name)
}

/// The named type of an input that is no list.
fn base(input: &InputValueDefinition) -> &str {
    match &input.ty.node.base {
        BaseType::Named(name) => name,
        BaseType::List(_) => panic!("`{}` is a list", input.name.node),
    }
}
