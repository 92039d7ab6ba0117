//! How many rows each list of the contract may have. Read from the contract itself, so that a list cannot be forgotten: one
//! without a size here fails a test, and counts as the largest page until then.

use std::collections::HashMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use domain::paging::MAX_PAGE;

/// How many rows a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As many as its `first` or `last` says.
    Page,
    /// As many as the `limit` of its `input` says.
    Limit,
    /// At most so many, or as many as are counted.
    Rows(u64),
}

/// Lists without a size argument. What a row has of its own is counted as it is in a large fleet; where there is a bound,
/// that is it.
const LISTS: &[(&str, u64)] = &[
    ("CubeCatalog.dimensions", 10),
    ("CubeCatalog.grains", 6),
    ("CubeCatalog.labels", 2),
    ("CubeCatalog.measures", 10),
    ("CubeCatalog.tables", 18),
    ("CubeCatalog.timeParts", 4),
    ("CubeDimension.sources", 2),
    ("CubeMeasure.sources", 2),
    ("Customer.simCounts", 4),
    ("Device.assignments", 4),
    ("Device.connectivity", 3),
    ("Device.labels", 4),
    ("Device.sims", 2),
    ("Export.parts", 12),
    ("GrantSegmentPayload.grants", 20),
    ("FleetReport.errors", 20),
    ("FleetReport.newCustomers", 20),
    ("FleetReport.newLabels", 20),
    ("IngestRecord.rejections", 20),
    ("LabelDefinition.options", 20),
    ("Me.permissions", 20),
    ("Provenance.tables", 3),
    ("Query.ingestAccounting", 1_000),
    ("Query.ingestSources", 20),
    ("Query.segmentGrants", 20),
    ("Query.unknownNetworks", 20),
    ("Sim.assignments", 4),
    ("Sim.labels", 4),
    ("SimCounts.rows", 1_000),
    ("TopNetworks.rows", 20),
    // Counted by the field that has the limit.
    ("Usage.rows", 1),
    ("UsageReconciliation.provenance", 2),
    ("UsageReconciliation.rows", 1),
];

/// What a field of the contract returns.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) returns: String,
    pub(super) size: Size,
}

/// Every field of every object type.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    fields: HashMap<String, HashMap<String, Shape>>,
    /// Lists that have no size.
    pub(super) unsized_lists: Vec<String>,
}

impl Shapes {
    /// The shapes of a contract.
    pub(super) fn of(sdl: &str) -> Self {
        let mut shapes = Self::default();
        let Ok(document) = parse_schema(sdl) else {
            return shapes;
        };
        for definition in document.definitions {
            let TypeSystemDefinition::Type(ty) = definition else {
                continue;
            };
            let name = ty.node.name.node.to_string();
            let fields = match ty.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => continue,
            };
            for field in fields {
                shapes.add(&name, &field.node);
            }
        }
        shapes
    }

    fn add(&mut self, parent: &str, field: &FieldDefinition) {
        let (returns, is_list) = base(&field.ty.node);
        let path = format!("{parent}.{}", field.name.node);
        let has = |name: &str| field.arguments.iter().any(|it| it.node.name.node == name);
        let declared = LISTS.iter().find(|(list, _)| *list == path);
        let size = match declared {
            Some((_, rows)) => Size::Rows(*rows),
            None if returns == "UserError" => Size::Rows(1),
            None if has("first") => Size::Page,
            None if returns == "Usage" => Size::Limit,
            // The rows of a page are counted by the field that has the page.
            None if is_list && !parent.ends_with("Connection") => {
                self.unsized_lists.push(path);
                Size::Rows(MAX_PAGE.into())
            }
            None => Size::Rows(1),
        };
        let fields = self.fields.entry(parent.to_owned()).or_default();
        fields.insert(field.name.node.to_string(), Shape { returns, size });
    }

    /// The shape of a field; none for what the contract does not have, introspection included.
    pub(super) fn field(&self, parent: &str, field: &str) -> Option<&Shape> {
        self.fields.get(parent)?.get(field)
    }
}

/// The named type, and whether there is a list of it.
fn base(ty: &Type) -> (String, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(inner) => (base(inner).0, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_the_contract_has_a_size() {
        let shapes = Shapes::of(&crate::sdl());
        assert_eq!(shapes.unsized_lists, [""; 0]);
        for (list, _) in LISTS {
            let (parent, field) = list.split_once('.').expect("Type.field");
            assert!(shapes.field(parent, field).is_some(), "{list} is gone");
        }
    }

    #[test]
    fn a_list_without_a_size_is_found() {
        let shapes = Shapes::of("type Query { one: Int many: [Int!]! page(first: Int): Int }");
        assert_eq!(shapes.unsized_lists, ["Query.many"]);
        let size = |field| shapes.field("Query", field).map(|shape| shape.size);
        assert_eq!(size("many"), Some(Size::Rows(200)));
        assert_eq!(
            (size("one"), size("page")),
            (Some(Size::Rows(1)), Some(Size::Page))
        );
    }
}
