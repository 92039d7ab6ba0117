//! Which operation of its document a request asks for (GraphQL specification 6.1, `GetOperation`).

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition,
    },
};
use domain::{Error, Result};

/// The fragments of a document, by their names.
pub(crate) type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// The operation that `name` chooses and the name it has in the document; without `name`, the only one.
///
/// # Errors
/// `INVALID_INPUT` when there is no such operation, or several and no name.
pub fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<(Option<&'a Name>, &'a OperationDefinition)> {
    let (name, operation) = chosen(document.operations.iter(), name)?;
    Ok((name, &operation.node))
}

/// As [`choose`], to be changed.
pub(crate) fn choose_mut<'a>(
    document: &'a mut ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a mut Positioned<OperationDefinition>> {
    let (_, operation) = match &mut document.operations {
        DocumentOperations::Single(operation) => chosen([(None, operation)], name)?,
        DocumentOperations::Multiple(operations) => {
            let operations = operations.iter_mut();
            chosen(
                operations.map(|(name, operation)| (Some(name), operation)),
                name,
            )?
        }
    };
    Ok(operation)
}

fn chosen<'a, T>(
    operations: impl IntoIterator<Item = (Option<&'a Name>, T)>,
    name: Option<&str>,
) -> Result<(Option<&'a Name>, T)> {
    let mut operations = operations.into_iter();
    let Some(name) = name else {
        return match (operations.next(), operations.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Error::invalid(
                "`operationName` says which of the operations to run",
            )),
        };
    };
    let named = |(its, _): &(Option<&Name>, T)| its.is_some_and(|its| its == name);
    let found = operations.find(named);
    found.ok_or_else(|| Error::invalid("the document has no operation of this name"))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn the_operation_is_the_named_one_or_the_only_one() {
        for (text, name, expected) in [
            ("{ a }", None, Some(None)),
            ("{ a }", Some("A"), None),
            ("query A { a }", None, Some(Some("A"))),
            ("query A { a }", Some("A"), Some(Some("A"))),
            ("query A { a } query B { b }", Some("B"), Some(Some("B"))),
            ("query A { a } query B { b }", Some("C"), None),
            ("query A { a } query B { b }", None, None),
        ] {
            let mut document = parse_query(text).expect("a document");
            let chosen = choose(&document, name).ok();
            let chosen = chosen.map(|(name, _)| name.map(Name::as_str));
            assert_eq!(chosen, expected, "{text} {name:?}");
            assert_eq!(choose_mut(&mut document, name).is_ok(), expected.is_some());
        }
    }
}
