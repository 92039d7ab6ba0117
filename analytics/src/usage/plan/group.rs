//! *Group*: states of each group and of the whole.

use std::iter;

use domain::usage::State;

use super::{Planner, column, kept_sums};

impl Planner<'_> {
    /// One line for each group (kind 0) and one for the whole (1), per parent; for filling also one for each key (2). A group whose
    /// records were all taken back is none: cubes keep such cells, with sums of zero.
    pub(super) fn group(&self, read: &str) -> String {
        let (groups, keys) = (self.groups(), self.keys_of_groups().collect::<Vec<_>>());
        let columns: Vec<String> = self
            .parent()
            .into_iter()
            .chain(groups.iter().cloned())
            .collect();
        let by_key = self.fills() && !keys.is_empty();
        let kind = match (groups.first(), keys.first(), self.times_of_groups().next()) {
            (None, _, _) => "toUInt8(1)".to_owned(),
            (Some(_), Some(key), Some(time)) if by_key => {
                format!("toUInt8(if(grouping({key}) = 1, 1, 2 * grouping({time})))")
            }
            (Some(first), _, _) => format!("toUInt8(grouping({first}))"),
        };
        let sets = |extra: Option<&str>| {
            let set = |own: &[String]| {
                let names: Vec<&str> = self
                    .parents
                    .iter()
                    .map(|_| "parent")
                    .chain(own.iter().map(String::as_str))
                    .chain(extra)
                    .collect();
                format!("({})", names.join(", "))
            };
            let mut sets = vec![set(&groups)];
            if by_key {
                sets.push(set(&keys));
            }
            sets.push(set(&[]));
            sets.join(", ")
        };
        // A whole alone needs no sets.
        let group_by = |extra: Option<&str>| {
            if !groups.is_empty() {
                return format!("\n    GROUP BY GROUPING SETS ({})", sets(extra));
            }
            let by: Vec<&str> = self.parents.iter().map(|_| "parent").chain(extra).collect();
            if by.is_empty() {
                String::new()
            } else {
                format!("\n    GROUP BY {}", by.join(", "))
            }
        };
        let head: Vec<String> = iter::once(format!("{kind} AS kind"))
            .chain(columns.iter().cloned())
            .collect();
        let from = format!("FROM (\n    {read}\n    )");
        let (records, records_before) = column(State::Records);
        let mut some = format!("{records} <> 0");
        if self.is_slice() {
            "true".clone_into(&mut some);
        } else if self.compares() {
            some.push_str(&format!(" OR {records_before} <> 0"));
        }
        if self.fills_wholes() {
            some.push_str(" OR kind = 1");
        }
        if !self.has(State::Sims) {
            let sums = self.sums("");
            return format!(
                "SELECT {}, {}\n    {from}{}\n    HAVING {}",
                head.join(", "),
                sums.join(", "),
                group_by(None),
                some
            );
        }
        // First per SIM, so that a SIM whose records were all corrected away is not active.
        let inner = self.sums("own_");
        let mut outer: Vec<String> = iter::once("kind".to_owned())
            .chain(columns.iter().cloned())
            .collect();
        for (state, _) in kept_sums() {
            for name in self.names(state) {
                outer.push(format!("sum(own_{name}) AS {name}"));
            }
        }
        for (name, records) in self
            .names(State::Sims)
            .into_iter()
            .zip([records, records_before])
        {
            outer.push(format!("toInt128(countIf(own_{records} > 0)) AS {name}"));
            if self.keeps_sims() {
                outer.push(format!(
                    "uniqExactIfState(subscriber, own_{records} > 0) AS {name}_state"
                ));
            }
        }
        let by: Vec<String> = iter::once("kind".to_owned()).chain(columns).collect();
        format!(
            "SELECT {}\n    FROM (\n    SELECT {}, subscriber, {}\n    {from}{}\n    )\n    GROUP BY {}\n    HAVING {}",
            outer.join(", "),
            head.join(", "),
            inner.join(", "),
            group_by(Some("subscriber")),
            by.join(", "),
            some
        )
    }

    /// Sums over cells, under their names with a prefix.
    fn sums(&self, prefix: &str) -> Vec<String> {
        let mut sums = Vec::new();
        for (state, source) in kept_sums() {
            let wanted = self.has(state) || state == State::Records;
            for (era, name) in self.names(state).into_iter().enumerate() {
                sums.push(if !wanted {
                    format!("toInt128(0) AS {prefix}{name}")
                } else if self.compares() {
                    format!("sumIf({source}, era = {era}) AS {prefix}{name}")
                } else {
                    format!("sum({source}) AS {prefix}{name}")
                });
            }
        }
        sums
    }
}
