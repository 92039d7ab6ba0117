//! The one dialect of filters: `and`, `or` and `not` over the conditions of an aggregate.
//!
//! A condition is either met or not. Where a column is null, a comparison with it is not met and its negation is, so that
//! `not` is always the rest.

use std::slice;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};

use crate::{Error, Result, sql::Sql};

/// Most conditions of one filter, those that it takes from saved ones included.
pub const MAX_CONDITIONS: usize = 100;
/// Most levels of one filter, a condition alone being one.
pub const MAX_LEVELS: usize = 50;

/// Which rows: a tree over the conditions `C`. As JSON it is spelt as in the contract: `{"and": [{"states": ["ACTIVE"]}]}`, where each field
/// of an object is an operator or a whole condition, and all of them hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Filter<C> {
    /// All of these; of none, every row.
    And(Vec<Self>),
    /// At least one of these; of none, no row.
    Or(Vec<Self>),
    /// The rows that this one leaves out.
    Not(Box<Self>),
    /// One condition.
    #[serde(untagged)]
    Is(C),
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for Filter<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        let mut parts = fields
            .into_iter()
            .map(|field| Self::of_field(field).map_err(D::Error::custom))
            .collect::<Result<Vec<_>, _>>()?;
        match (parts.pop(), parts.is_empty()) {
            (None, _) => Err(D::Error::custom("an object without a condition")),
            (Some(only), true) => Ok(only),
            (last, _) => Ok(Self::And(parts.into_iter().chain(last).collect())),
        }
    }
}

impl<C: DeserializeOwned> Filter<C> {
    /// What one field of an object says.
    fn of_field((name, value): (String, Value)) -> serde_json::Result<Self> {
        match name.as_str() {
            "and" => serde_json::from_value(value).map(Self::And),
            "or" => serde_json::from_value(value).map(Self::Or),
            "not" => serde_json::from_value(value).map(Self::Not),
            _ => serde_json::from_value(Map::from_iter([(name, value)]).into()).map(Self::Is),
        }
    }
}

impl<C> Filter<C> {
    /// # Errors
    /// `LIMIT_EXCEEDED` for more than [`MAX_CONDITIONS`] and for more than [`MAX_LEVELS`].
    pub fn check_size(&self) -> Result<()> {
        let (conditions, levels) = self.size();
        let beyond = |what: &str, most: usize, actual: usize| {
            let text = format!("a filter has at most {most} {what}");
            Err(Error::limit(text, most as u64, actual as u64))
        };
        if conditions > MAX_CONDITIONS {
            let what = "conditions, and, or and not counted";
            return beyond(what, MAX_CONDITIONS, conditions);
        }
        if levels > MAX_LEVELS {
            return beyond("levels", MAX_LEVELS, levels);
        }
        Ok(())
    }

    /// Conditions, with operators, and levels.
    fn size(&self) -> (usize, usize) {
        let below = match self {
            Self::And(parts) | Self::Or(parts) => parts.as_slice(),
            Self::Not(part) => slice::from_ref(&**part),
            Self::Is(_) => &[],
        };
        let add = |(conditions, levels): (usize, usize), part: &Self| {
            let (more, deeper) = part.size();
            (conditions + more, levels.max(deeper + 1))
        };
        below.iter().fold((1, 1), add)
    }

    /// Its conditions, in order.
    pub fn conditions(&self) -> Vec<&C> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::conditions).collect(),
            Self::Not(part) => part.conditions(),
            Self::Is(condition) => vec![condition],
        }
    }

    /// The filter with another one in the place of each condition.
    ///
    /// # Errors
    /// Those of `replace`.
    pub fn replace<D>(&self, replace: &impl Fn(&C) -> Result<Filter<D>>) -> Result<Filter<D>> {
        let all = |parts: &[Self]| -> Result<Vec<Filter<D>>> {
            parts.iter().map(|part| part.replace(replace)).collect()
        };
        Ok(match self {
            Self::And(parts) => Filter::And(all(parts)?),
            Self::Or(parts) => Filter::Or(all(parts)?),
            Self::Not(part) => Filter::Not(Box::new(part.replace(replace)?)),
            Self::Is(condition) => replace(condition)?,
        })
    }

    /// The same filter without operators that change nothing: an `and` in an `and`, an `or` in an `or`, and either around one part.
    #[must_use]
    pub fn simplified(self) -> Self {
        let all = |parts: Vec<Self>| parts.into_iter().map(Self::simplified);
        match self {
            Self::And(parts) => {
                let flat = all(parts).flat_map(|part| match part {
                    Self::And(parts) => parts,
                    part => vec![part],
                });
                only(flat.collect()).unwrap_or_else(Self::And)
            }
            Self::Or(parts) => {
                let flat = all(parts).flat_map(|part| match part {
                    Self::Or(parts) => parts,
                    part => vec![part],
                });
                only(flat.collect()).unwrap_or_else(Self::Or)
            }
            Self::Not(part) => Self::Not(Box::new(part.simplified())),
            Self::Is(_) => self,
        }
    }
}

/// The only one, or all of them again.
fn only<T>(mut parts: Vec<T>) -> Result<T, Vec<T>> {
    match parts.pop() {
        Some(only) if parts.is_empty() => Ok(only),
        last => {
            parts.extend(last);
            Err(parts)
        }
    }
}

impl<C> Default for Filter<C> {
    /// Every row.
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl<C> From<C> for Filter<C> {
    fn from(condition: C) -> Self {
        Self::Is(condition)
    }
}

/// Appends the filter as one term. `is` appends the term of a condition.
pub(crate) fn push<C>(sql: &mut Sql, filter: &Filter<C>, is: &impl Fn(&mut Sql, &C)) {
    // Trees without conditions have as many shapes as those with some: only the one of no filter at all is fixed.
    if !matches!(filter, Filter::And(parts) if parts.is_empty()) {
        sql.vary();
    }
    match filter {
        Filter::And(parts) => push_all(sql, parts, " AND ", "true", is),
        Filter::Or(parts) => push_all(sql, parts, " OR ", "false", is),
        Filter::Not(part) => {
            sql.push("(");
            push(sql, part, is);
            sql.push(") IS NOT TRUE");
        }
        Filter::Is(condition) => is(sql, condition),
    }
}

fn push_all<C>(
    sql: &mut Sql,
    parts: &[Filter<C>],
    word: &str,
    none: &str,
    is: &impl Fn(&mut Sql, &C),
) {
    if parts.is_empty() {
        sql.push(none);
    }
    for (place, part) in parts.iter().enumerate() {
        sql.push(if place == 0 { "(" } else { word }).push("(");
        push(sql, part, is);
        sql.push(")");
    }
    if !parts.is_empty() {
        sql.push(")");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(filter: &Filter<&str>) -> String {
        let mut sql = Sql::new("");
        push(&mut sql, filter, &|sql, condition| _ = sql.push(condition));
        sql.into_parts().0
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Condition {
        States(Vec<String>),
        Unassigned(bool),
    }

    fn read(json: &str) -> serde_json::Result<Filter<Condition>> {
        serde_json::from_str(json)
    }

    #[test]
    fn fields_of_one_object_all_hold_wherever_it_stands() {
        let is = |state: &str| Filter::Is(Condition::States(vec![state.to_owned()]));
        let free = || Filter::Is(Condition::Unassigned(true));
        let one = read(r#"{"states": ["A"]}"#).expect("a filter");
        assert_eq!(one, is("A"));
        let both = read(r#"{"states": ["A"], "unassigned": true}"#).expect("a filter");
        assert_eq!(both, Filter::And(vec![is("A"), free()]));
        let deep = r#"{"or": [{"states": ["A"], "not": {"unassigned": true}}, {"and": []}], "unassigned": true}"#;
        let left = Filter::And(vec![Filter::Not(Box::new(free())), is("A")]);
        let or = Filter::Or(vec![left, Filter::And(vec![])]);
        assert_eq!(read(deep).expect("a filter"), Filter::And(vec![or, free()]));
        for filter in [one, both] {
            let json = serde_json::to_string(&filter).expect("JSON");
            assert_eq!(
                read(&json).expect("a filter"),
                filter,
                "what is stored is read again"
            );
        }
    }

    #[test]
    fn what_is_no_condition_is_told_by_its_name() {
        for (json, said) in [
            (
                r#"{"colour": "red"}"#,
                "unknown variant `colour`, expected `states` or `unassigned`",
            ),
            (r#"{"and": [{"unassigned": "yes"}]}"#, "expected a boolean"),
            ("[]", "expected a map"),
            (r#"{"or": [{}]}"#, "an object without a condition"),
        ] {
            let error = read(json).expect_err("refused").to_string();
            assert!(error.contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn nothing_asked_is_everything_and_none_of_nothing_is_nothing() {
        assert_eq!(text(&Filter::default()), "true");
        assert_eq!(text(&Filter::Or(vec![])), "false");
    }

    #[test]
    fn only_the_statement_of_no_filter_is_worth_keeping() {
        let is_fixed = |filter: Filter<&str>| {
            let mut sql = Sql::new("");
            push(&mut sql, &filter, &|sql, condition| _ = sql.push(condition));
            sql.is_fixed()
        };
        let all = || Filter::And(vec![]);
        assert!(is_fixed(all()));
        for shape in [
            Filter::Is("a"),
            Filter::And(vec![all(), all()]),
            Filter::Or(vec![]),
            Filter::Not(Box::new(all())),
        ] {
            assert!(!is_fixed(shape.clone()), "{shape:?}");
        }
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        type F = Filter<&'static str>;
        let is = |text| F::Is(text);
        let not = |part| F::Not(Box::new(part));
        for (given, expected) in [
            (F::And(vec![]), F::And(vec![])),
            (F::Or(vec![]), F::Or(vec![])),
            (F::And(vec![F::And(vec![F::Or(vec![is("a")])])]), is("a")),
            (
                F::And(vec![
                    F::And(vec![is("a"), is("b")]),
                    is("c"),
                    F::And(vec![]),
                ]),
                F::And(vec![is("a"), is("b"), is("c")]),
            ),
            (
                F::And(vec![F::Or(vec![
                    F::Or(vec![]),
                    F::Or(vec![is("a"), is("b")]),
                ])]),
                F::Or(vec![is("a"), is("b")]),
            ),
            (not(F::And(vec![not(is("a"))])), not(not(is("a")))),
            (
                F::Or(vec![F::And(vec![]), is("a")]),
                F::Or(vec![F::And(vec![]), is("a")]),
            ),
        ] {
            assert_eq!(given.clone().simplified(), expected, "{given:?}");
            assert_eq!(expected.clone().simplified(), expected);
        }
    }

    #[test]
    fn trees_keep_their_shape() {
        let either = Filter::Or(vec![Filter::Is("a"), Filter::Is("b")]);
        let filter = Filter::And(vec![Filter::Not(Box::new(either)), Filter::Is("c")]);
        assert_eq!(text(&filter), "(((((a) OR (b))) IS NOT TRUE) AND (c))");
    }
}
