//! Rows whose selected fields are all at hand are written as text at once: without a future, a map entry and an allocation for
//! each field. A list of which anything has to be waited for goes the library's way as a whole, and reads the same.

use std::{borrow::Cow, fmt::Display, io::Write as _};

use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
    resolver_utils::resolve_list,
};
use async_graphql_value::RAW_VALUE_TOKEN;
use serde::Serialize;

use crate::{api::Admitted, operation::Fragments};

/// Bytes of a row, about.
const ROW: usize = 256;

/// Writes one field of an object; `None` when its value is not at hand.
pub(crate) type Step<T> = Box<dyn Fn(&T, &mut Vec<u8>) -> Option<()>>;

/// An object of the contract that can be written.
pub(crate) trait Written: OutputType + 'static {
    /// What writes a selected field; `None` for one that has to be waited for.
    fn step(field: Selected<'_>) -> Option<Step<Self>>
    where
        Self: Sized;
}

/// A selected field with what is selected below it.
#[derive(Clone, Copy)]
pub(crate) struct Selected<'a> {
    field: &'a Field,
    fragments: &'a Fragments,
}

impl<'a> Selected<'a> {
    /// The field's name.
    pub(crate) fn name(self) -> &'a str {
        self.field.name.node.as_str()
    }

    /// How an object is written of which that is selected what stands below this field.
    fn plan<T: Written>(self) -> Option<Plan<T>> {
        let mut plan = Plan(Vec::new());
        self.collect(&self.field.selection_set.node, &mut plan)?;
        (!plan.0.is_empty()).then_some(plan)
    }

    fn collect<T: Written>(self, set: &'a SelectionSet, plan: &mut Plan<T>) -> Option<()> {
        for selection in &set.items {
            let (condition, below) = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    plan.add(Self { field, ..self })?;
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    (condition, &inline.node.selection_set)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.fragments.get(&spread.node.fragment_name.node)?;
                    let condition = Some(&fragment.node.type_condition);
                    (condition, &fragment.node.selection_set)
                }
            };
            // What another type means here is left to the library.
            if condition.is_some_and(|condition| condition.node.on.node.as_str() != T::type_name())
            {
                return None;
            }
            self.collect(&below.node, plan)?;
        }
        Some(())
    }
}

/// Each key of an object, in the document's order, as it is written, and what writes its value.
struct Plan<T>(Vec<(Vec<u8>, Step<T>)>);

impl<T: Written> Plan<T> {
    fn add(&mut self, field: Selected<'_>) -> Option<()> {
        let mut key = Vec::new();
        value(field.field.response_key().node.as_str(), &mut key)?;
        key.push(b':');
        // Two fields of one key are merged by the library.
        if self.0.iter().any(|(known, _)| *known == key) {
            return None;
        }
        let step = match field.name() {
            "__typename" => leaf(|_| T::type_name()),
            _ => T::step(field)?,
        };
        self.0.push((key, step));
        Some(())
    }

    fn write(&self, row: &T, text: &mut Vec<u8>) -> Option<()> {
        let mut separator = b'{';
        for (key, step) in &self.0 {
            text.push(separator);
            text.extend_from_slice(key);
            step(row, text)?;
            separator = b',';
        }
        text.push(b'}');
        Some(())
    }

    fn write_list<'r>(
        &self,
        rows: impl IntoIterator<Item = &'r T>,
        text: &mut Vec<u8>,
    ) -> Option<()>
    where
        T: 'r,
    {
        text.push(b'[');
        for (place, row) in rows.into_iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            self.write(row, text)?;
        }
        text.push(b']');
        Some(())
    }
}

/// Writes a value that has no fields.
pub(crate) fn value(value: impl Serialize, text: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(text, &value).ok()
}

/// A field that is a column of its row.
pub(crate) fn leaf<T: 'static, V: Serialize + 'static>(read: fn(&T) -> V) -> Step<T> {
    Box::new(move |row, text| value(read(row), text))
}

/// A field that shows a global id.
pub(crate) fn id<T: 'static, I: Display + 'static>(read: fn(&T) -> I) -> Step<T> {
    Box::new(move |row, text| write!(text, "\"{}\"", read(row)).ok())
}

/// A field that shows another object, or null, if that is at hand.
pub(crate) fn object<T: 'static, U: Written>(
    field: Selected<'_>,
    read: fn(&T) -> Option<Option<&U>>,
) -> Option<Step<T>> {
    let plan = field.plan()?;
    Some(Box::new(move |row, text| match read(row)? {
        Some(below) => plan.write(below, text),
        None => value((), text),
    }))
}

/// A field that shows an object made for it.
pub(crate) fn made<T: 'static, U: Written>(
    field: Selected<'_>,
    read: fn(&T) -> U,
) -> Option<Step<T>> {
    let plan = field.plan()?;
    Some(Box::new(move |row, text| plan.write(&read(row), text)))
}

/// A field that shows an object made for it, or null.
pub(crate) fn made_if<T: 'static, U: Written>(
    field: Selected<'_>,
    read: fn(&T) -> Option<U>,
) -> Option<Step<T>> {
    let plan = field.plan()?;
    Some(Box::new(move |row, text| match read(row) {
        Some(below) => plan.write(&below, text),
        None => value((), text),
    }))
}

/// A field that shows a list of other objects, if that is at hand.
pub(crate) fn list<T: 'static, U: Written>(
    field: Selected<'_>,
    read: fn(&T) -> Option<&[U]>,
) -> Option<Step<T>> {
    let plan = field.plan()?;
    Some(Box::new(move |row, text| plan.write_list(read(row)?, text)))
}

/// A field that an object has from a part of it.
pub(crate) fn within<T: 'static, U: 'static>(step: Step<U>, part: fn(&T) -> &U) -> Step<T> {
    Box::new(move |row, text| step(part(row), text))
}

/// Whether a name of the domain is that of a field: `created_at` and `CREATED_AT` are `createdAt`.
pub(crate) fn is_named(name: &str, field: &str) -> bool {
    let mut field = field.chars();
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
            continue;
        }
        let expected = if upper {
            char.to_ascii_uppercase()
        } else {
            char.to_ascii_lowercase()
        };
        if field.next() != Some(expected) {
            return false;
        }
        upper = false;
    }
    field.next().is_none()
}

/// The fields of an object that are columns of its row: what the contract says of each, its type, and how it is read. They are
/// `$columns`, which the object flattens into itself.
macro_rules! columns {
    ($columns:ident of $object:ty { $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $read:expr;)+ }) => {
        /// Columns of an object; the type itself is not in the contract.
        pub(crate) struct $columns<'a>(pub(crate) &'a $object);

        #[async_graphql::Object]
        impl $columns<'_> {
            $($(#[doc = $doc])+
            async fn $name(&self) -> $type {
                let read: fn(&$object) -> $type = $read;
                read(self.0)
            })+
        }

        impl $columns<'_> {
            /// What writes the column of this name.
            pub(crate) fn step(field: crate::written::Selected<'_>) -> Option<crate::written::Step<$object>> {
                $(if crate::written::is_named(stringify!($name), field.name()) {
                    return Some(Box::new(|row, text| {
                        let read: fn(&$object) -> $type = $read;
                        crate::written::value(read(row), text)
                    }));
                })+
                None
            }
        }
    };
}
pub(crate) use columns;

/// An object that has nothing but columns, each a field of the struct.
macro_rules! plain_columns {
    ($object:ty { $($name:ident),+ $(,)? }) => {
        impl crate::written::Written for $object {
            fn step(field: crate::written::Selected<'_>) -> Option<crate::written::Step<Self>> {
                $(if crate::written::is_named(stringify!($name), field.name()) {
                    return Some(Box::new(|row, text| crate::written::value(&row.$name, text)));
                })+
                None
            }
        }
    };
}
pub(crate) use plain_columns;

/// Rows of a list.
pub(crate) struct Rows<'a, T>(Vec<&'a T>);

impl<'a, T> FromIterator<&'a T> for Rows<'a, T> {
    fn from_iter<I: IntoIterator<Item = &'a T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl<T: Written> Rows<'_, T> {
    /// The rows as text, if all that is selected of them is at hand.
    fn written(&self, ctx: &ContextSelectionSet<'_>, field: &Field) -> Option<Value> {
        // The library merges what it made of two fields of one key, and can't look into text.
        if ctx.data_opt::<Admitted>()?.document.merges() {
            return None;
        }
        let fragments = &ctx.query_env.fragments;
        let plan: Plan<T> = Selected { field, fragments }.plan()?;
        let mut text = Vec::with_capacity(ROW * self.0.len());
        plan.write_list(self.0.iter().copied(), &mut text)?;
        let text = Value::String(String::from_utf8(text).ok()?);
        Some(Value::Object(
            [(Name::new(RAW_VALUE_TOKEN), text)].into_iter().collect(),
        ))
    }
}

impl<T: Written> OutputType for Rows<'_, T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(text) = self.written(ctx, &field.node) {
            return Ok(text);
        }
        resolve_list(ctx, field, self.0.iter().copied(), Some(self.0.len())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_as_its_field() {
        for (function, field, expected) in [
            ("iccid", "iccid", true),
            ("created_at", "createdAt", true),
            ("CREATED_AT", "createdAt", true),
            ("created_at", "createdat", false),
            ("created_at", "created_at", false),
            ("id", "iccid", false),
            ("iccid", "icci", false),
        ] {
            assert_eq!(is_named(function, field), expected, "{function} {field}");
        }
    }
}
