//! Estimates how many values an answer may hold: each field counts one, and what lies below a list counts as often as
//! the list may have rows ([`super::size`]).

use std::collections::HashMap;

use analytics::usage::UsageLimits;
use async_graphql::parser::types::OperationType;
use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{Field, OperationDefinition, Selection, SelectionSet},
};
use domain::paging::DEFAULT_PAGE;

use super::size::{Shapes, Size};
use crate::{operation::Fragments, usage::most_rows};

/// Most rows of an answer of the cubes, all objects of a page together.
const USAGE_ROWS: u64 = UsageLimits::ROWS as u64;

/// What else is asked of the store of the cubes.
const SESSIONS: &[(&str, &str)] = &[
    ("Query", "liveSessions"),
    ("Query", "sessionHistory"),
    ("Sim", "currentNetworkName"),
    ("Sim", "lastActivityAt"),
    ("Sim", "liveSession"),
    ("Sim", "sessionLog"),
];

/// How many rows a question to the cubes may have, by the place of its field in the document: its share of the most rows of an
/// answer, by how many objects of its kind the document may ask about. It depends on the document alone, so that the same
/// question has the same rows whatever is asked at the same moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(HashMap<Pos, u64>);

impl Shares {
    /// The share of a field.
    pub(crate) fn of(&self, place: Pos) -> usize {
        let share = self.0.get(&place).copied();
        usize::try_from(share.unwrap_or(USAGE_ROWS)).unwrap_or(UsageLimits::ROWS)
    }

    /// Whether there are questions to the cubes at all.
    pub(crate) fn ask(&self) -> bool {
        !self.0.is_empty()
    }

    /// A fragment may be spread where there are few objects and where there are many.
    fn note(&mut self, place: Pos, share: u64) {
        let known = self.0.entry(place).or_insert(share);
        *known = share.min(*known);
    }
}

/// The estimate, and the shares of its questions; saturates instead of overflowing. Fragments are known not to contain themselves.
pub(super) fn estimate(
    shapes: &Shapes,
    fragments: &Fragments,
    operation: &OperationDefinition,
    variables: &Variables,
) -> (u64, Shares) {
    // What a mutation changes is not counted here; what it answers is made of the same objects as a query's answer.
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let mut estimate = Estimate {
        shapes,
        fragments,
        variables,
        operation,
        shares: Shares::default(),
    };
    let cost = estimate.set(root, &operation.selection_set.node, 1);
    (cost, estimate.shares)
}

struct Estimate<'a> {
    shapes: &'a Shapes,
    fragments: &'a Fragments,
    variables: &'a Variables,
    operation: &'a OperationDefinition,
    shares: Shares,
}

impl Estimate<'_> {
    /// What a selection costs in one of `times` objects.
    fn set(&mut self, parent: &str, set: &SelectionSet, times: u64) -> u64 {
        let mut costs = 0_u64;
        for selection in &set.items {
            costs = costs.saturating_add(self.selection(parent, &selection.node, times));
        }
        costs
    }

    fn selection(&mut self, parent: &str, selection: &Selection, times: u64) -> u64 {
        match selection {
            Selection::Field(field) => self.field(parent, field, times),
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref();
                let on = on.map_or(parent, |on| on.node.on.node.as_str());
                self.set(on, &inline.node.selection_set.node, times)
            }
            Selection::FragmentSpread(spread) => {
                let fragments = self.fragments;
                let Some(fragment) = fragments.get(&spread.node.fragment_name.node) else {
                    return 0;
                };
                let on = fragment.node.type_condition.node.on.node.as_str();
                self.set(on, &fragment.node.selection_set.node, times)
            }
        }
    }

    fn field(&mut self, parent: &str, field: &Positioned<Field>, times: u64) -> u64 {
        let (place, field) = (field.pos, &field.node);
        let shapes = self.shapes;
        let shape = shapes.field(parent, field.name.node.as_str());
        let returns = shape.map_or("", |shape| shape.returns.as_str());
        let is_of_sessions = SESSIONS.contains(&(parent, field.name.node.as_str()));
        if matches!(returns, "TopNetworks" | "UsageReconciliation") || is_of_sessions {
            // A question to the cubes' store of another form.
            self.shares.note(place, USAGE_ROWS);
        }
        let rows = match shape.map_or(Size::Rows(1), |shape| shape.size) {
            Size::Page => self.page(field),
            Size::Limit => {
                let most = USAGE_ROWS / times.clamp(1, USAGE_ROWS);
                self.shares.note(place, most);
                self.usage(field, most)
            }
            Size::Rows(rows) => rows,
        };
        let below = self.set(
            returns,
            &field.selection_set.node,
            times.saturating_mul(rows),
        );
        below.saturating_mul(rows).saturating_add(1)
    }

    fn page(&self, field: &Field) -> u64 {
        let size = ["first", "last"]
            .into_iter()
            .find_map(|name| self.argument(field, name)?.as_u64_lossy());
        size.unwrap_or(u64::from(DEFAULT_PAGE))
    }

    /// Rows of an answer of the cubes: as many as its groups leave, its limit says, or the share of one object.
    fn usage(&self, field: &Field, share: u64) -> u64 {
        let Some(ConstValue::Object(input)) = self.argument(field, "input") else {
            return share;
        };
        let limit = input.get("limit").and_then(AsU64::as_u64_lossy);
        let rows = most_rows(ConstValue::Object(input)).or(limit);
        match limit {
            Some(_) => rows.unwrap_or(share),
            None => rows.unwrap_or(share).min(share),
        }
    }

    /// An argument with its variables filled in.
    fn argument(&self, field: &Field, name: &str) -> Option<ConstValue> {
        let value = field.get_argument(name)?.node.clone();
        value
            .into_const_with(|variable| self.variable(&variable).ok_or(()))
            .ok()
    }

    /// The value of a variable, or its default. Optional ones without either were left out of the document.
    fn variable(&self, name: &Name) -> Option<ConstValue> {
        let given = self.variables.get(name).cloned();
        given.or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let defined = definitions.find(|it| it.node.name.node == *name)?;
            let default = defined.node.default_value.as_ref()?;
            Some(default.node.clone())
        })
    }
}

/// A number that stands for a size; negative ones are refused elsewhere.
trait AsU64 {
    fn as_u64_lossy(&self) -> Option<u64>;
}

impl AsU64 for ConstValue {
    fn as_u64_lossy(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64().or(Some(0)),
            _ => None,
        }
    }
}
