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

/// Words of whoever writes invoices. Usage is rolled up here; the tenant bills its customers elsewhere.
const OF_INVOICES: [&str; 18] = [
    "bill",
    "bills",
    "billed",
    "charge",
    "charged",
    "charges",
    "credit",
    "dunning",
    "invoice",
    "invoiced",
    "invoices",
    "invoicing",
    "payment",
    "payments",
    "receivable",
    "tax",
    "taxes",
    "vat",
];

/// The words of a name: `createExport` and `CREATE_EXPORT` have two.
fn words(name: &str) -> Vec<String> {
    let is_loud = !name.chars().any(char::is_lowercase);
    let mut words = vec![String::new()];
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && !is_loud) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| char != '_') {
            word.extend(char.to_lowercase());
        }
    }
    words
}

/// Every name of a contract: of types, fields, arguments and words.
fn names(sdl: &str) -> Vec<String> {
    let document = parse_schema(sdl).expect("valid SDL");
    let mut names = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let of = ty.node.name.node.to_string();
        let path = |name: &str| format!("{of}.{name}");
        let fields = match &ty.node.kind {
            TypeKind::Object(object) => &object.fields[..],
            TypeKind::Interface(interface) => &interface.fields,
            _ => &[],
        };
        for field in fields {
            let field = &field.node;
            names.push(path(&field.name.node));
            let arguments = field.arguments.iter();
            names.extend(
                arguments.map(|it| path(&format!("{}.{}", field.name.node, it.node.name.node))),
            );
        }
        match &ty.node.kind {
            TypeKind::InputObject(input) => {
                names.extend(input.fields.iter().map(|it| path(&it.node.name.node)));
            }
            TypeKind::Enum(words) => {
                names.extend(words.values.iter().map(|it| path(&it.node.value.node)));
            }
            _ => {}
        }
        names.push(of);
    }
    names
}

fn invoicing(sdl: &str) -> Vec<String> {
    let is_of_invoices = |name: &String| {
        let mut words = name.split('.').flat_map(words);
        words.any(|word| OF_INVOICES.contains(&word.as_str()))
    };
    names(sdl).into_iter().filter(is_of_invoices).collect()
}

#[test]
fn nothing_invoices_a_tenants_customer() {
    let found = invoicing(&resolvers::sdl());
    assert!(found.is_empty(), "of an invoice: {found:?}");
    assert!(
        names(&resolvers::sdl()).len() > 500,
        "all names are looked at"
    );
    // It would be noticed, whatever it is.
    let other = r"
        type Query { customer(withTax: Boolean): CustomerInvoice }
        type Mutation { billCustomer: Int, sendInvoices(input: In): Int }
        type CustomerInvoice { vat: Int, total: Int }
        input In { dueInvoice: Int }
        enum State { CHARGED, PAYMENT_DUE }
    ";
    let expected = [
        "Query.customer.withTax",
        "Mutation.billCustomer",
        "Mutation.sendInvoices",
        "Mutation.sendInvoices.input",
        "CustomerInvoice.vat",
        "CustomerInvoice.total",
        "CustomerInvoice",
        "In.dueInvoice",
        "State.CHARGED",
        "State.PAYMENT_DUE",
    ];
    assert_eq!(invoicing(other), expected);
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
