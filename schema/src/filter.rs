//! The one dialect of filters. A field that is null or absent is no condition; fields of one input must all hold; an empty
//! list of values matches nothing; `and: []` matches everything and `or: []` nothing.

use domain::{Error, Result, filter::Filter};

/// The operators that every filter input has besides its conditions.
pub(crate) struct Operators<I> {
    pub(crate) and: Option<Vec<I>>,
    pub(crate) or: Option<Vec<I>>,
    pub(crate) not: Option<Box<I>>,
}

impl<I> Operators<I> {
    /// The filter of an input with these operators and `own` conditions.
    ///
    /// # Errors
    /// What a nested input is refused for, and those of [`Filter::check_size`].
    pub(crate) fn with<C>(self, own: impl IntoIterator<Item = C>) -> Result<Filter<C>>
    where
        Filter<C>: TryFrom<I, Error = Error>,
    {
        let all = |field: &str, inputs: Vec<I>| {
            let part = |(n, input): (usize, I)| {
                let part = Filter::try_from(input);
                part.map_err(|error| error.at(&n.to_string()).at(field))
            };
            inputs
                .into_iter()
                .enumerate()
                .map(part)
                .collect::<Result<Vec<Filter<C>>>>()
        };
        let mut parts: Vec<Filter<C>> = own.into_iter().map(Filter::Is).collect();
        if let Some(inputs) = self.and {
            parts.push(Filter::And(all("and", inputs)?));
        }
        if let Some(inputs) = self.or {
            parts.push(Filter::Or(all("or", inputs)?));
        }
        if let Some(input) = self.not {
            let part = Filter::try_from(*input).map_err(|error| error.at("not"))?;
            parts.push(Filter::Not(Box::new(part)));
        }
        let filter = Filter::And(parts);
        filter.check_size()?;
        Ok(filter)
    }
}

/// An input of nothing but conditions and operators: what each of its fields becomes.
macro_rules! conditions {
    ($input:ident => $condition:ty { $($field:ident: $make:expr,)* }) => {
        impl TryFrom<$input> for domain::filter::Filter<$condition> {
            type Error = domain::Error;

            fn try_from(input: $input) -> domain::Result<Self> {
                let $input { and, or, not, $($field),* } = input;
                let mut own: Vec<$condition> = Vec::new();
                $(if let Some(value) = $field {
                    let make: fn(_) -> domain::Result<_> = $make;
                    let condition = make(value).map_err(|error| error.at(stringify!($field)))?;
                    own.push(condition.into());
                })*
                crate::filter::Operators { and, or, not }.with(own)
            }
        }
    };
}
pub(crate) use conditions;
