//! Enums of the contract. Each is an enum of the domain: its variants are the values and their doc comments the descriptions, so
//! that nothing is said twice and no variant can be forgotten.

use async_graphql::{
    InputType, InputValueError, InputValueResult, Name, Value,
    registry::{Deprecation, MetaEnumValue, MetaType},
};
use strum::{EnumMessage, VariantArray};

/// An enum of the domain that can be one of the contract.
pub(crate) trait Words: Copy + AsRef<str> + EnumMessage + VariantArray {}

impl<D: Copy + AsRef<str> + EnumMessage + VariantArray> Words for D {}

/// The word of a variant, as the contract spells it.
pub(crate) fn name(word: impl AsRef<str>) -> String {
    word.as_ref().to_ascii_uppercase()
}

/// The value of a variant.
pub(crate) fn value(word: impl Words) -> Value {
    Value::Enum(Name::new(name(word)))
}

/// The variant that a value names.
pub(crate) fn parse<D: Words, T: InputType + From<D>>(value: Option<Value>) -> InputValueResult<T> {
    let value = value.unwrap_or_default();
    let given = match &value {
        Value::Enum(given) => given.as_str(),
        Value::String(given) => given,
        _ => return Err(InputValueError::expected_type(value)),
    };
    let mut words = D::VARIANTS.iter().copied();
    let found = words.find(|word| name(word) == given);
    found.map(T::from).ok_or_else(|| {
        let text = format!("Enumeration type does not contain value \"{given}\".");
        InputValueError::custom(text)
    })
}

/// What the contract says of an enum.
pub(crate) fn describe<D: Words, T>(type_name: &str, doc: &str) -> MetaType {
    let values = D::VARIANTS.iter().map(|word| MetaEnumValue {
        name: name(word),
        description: word.get_documentation().map(description),
        deprecation: Deprecation::NoDeprecated,
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        directive_invocations: Vec::new(),
    });
    MetaType::Enum {
        name: type_name.to_owned(),
        description: Some(description(doc)),
        enum_values: values.map(|value| (value.name.clone(), value)).collect(),
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        rust_typename: Some(std::any::type_name::<T>()),
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

/// A doc comment without the space at the beginning of its lines.
fn description(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(str::trim).collect();
    lines.join("\n")
}

/// An enum of the contract, with a description of its own: which enum of the domain it is, and what else is derived for it.
macro_rules! word {
    ($(#[doc = $doc:literal])* $word:ident = $domain:ty $(, $derived:ident)*) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq $(, $derived)*)]
        pub struct $word(pub $domain);

        impl From<$domain> for $word {
            fn from(word: $domain) -> Self {
                Self(word)
            }
        }

        impl From<$word> for $domain {
            fn from(word: $word) -> Self {
                word.0
            }
        }

        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&crate::word::name(self.0))
            }
        }

        impl async_graphql::InputType for $word {
            type RawValueType = Self;

            fn type_name() -> std::borrow::Cow<'static, str> {
                stringify!($word).into()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                let id = async_graphql::registry::MetaTypeId::Enum;
                let doc = concat!($($doc, "\n"),*);
                registry.create_input_type::<Self, _>(id, |_| {
                    crate::word::describe::<$domain, Self>(stringify!($word), doc)
                })
            }

            fn parse(
                value: Option<async_graphql::Value>,
            ) -> async_graphql::InputValueResult<Self> {
                crate::word::parse::<$domain, Self>(value)
            }

            fn to_value(&self) -> async_graphql::Value {
                crate::word::value(self.0)
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        impl async_graphql::OutputType for $word {
            fn type_name() -> std::borrow::Cow<'static, str> {
                stringify!($word).into()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                <Self as async_graphql::InputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &async_graphql::ContextSelectionSet<'_>,
                _: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                Ok(crate::word::value(self.0))
            }
        }
    };
}
pub(crate) use word;
