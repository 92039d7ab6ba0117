//! The one dialect of filters: `and`, `or` and `not` over the conditions of an aggregate.
//!
//! A condition is either met or not. Where a column is null, a comparison with it is not met and its negation is, so that
//! `not` is always the rest.

use crate::sql::Sql;

/// Which rows: a tree over the conditions `C`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter<C> {
    /// All of these; of none, every row.
    And(Vec<Self>),
    /// At least one of these; of none, no row.
    Or(Vec<Self>),
    /// The rows that this one leaves out.
    Not(Box<Self>),
    /// One condition.
    Is(C),
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
    fn trees_keep_their_shape() {
        let either = Filter::Or(vec![Filter::Is("a"), Filter::Is("b")]);
        let filter = Filter::And(vec![Filter::Not(Box::new(either)), Filter::Is("c")]);
        assert_eq!(text(&filter), "(((((a) OR (b))) IS NOT TRUE) AND (c))");
    }
}
