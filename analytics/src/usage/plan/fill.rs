//! *Rank* and *fill*: the largest values of a group, and buckets without usage.

use std::{collections::HashSet, iter};

use domain::{Error, Result, usage::State};
use strum::VariantArray;

use super::{Planner, column, quantity};
use crate::usage::{scoped::Parameter, tile::seconds};

impl Planner<'_> {
    /// Marks the groups of the largest values.
    pub(super) fn rank(&self, grouped: &str) -> Result<String> {
        let top = self
            .query
            .top
            .as_ref()
            .ok_or_else(|| Error::internal("no group to rank"))?;
        let key = format!("g{}", top.group);
        let partition: Vec<String> = iter::once("kind = 1".to_owned())
            .chain(self.parent())
            .collect();
        let partition = partition.join(", ");
        let of_key = format!("OVER (PARTITION BY {partition}, {key})");
        let value = quantity(&top.by.entry().expression, &|state| match state {
            State::Sims => format!("toInt128(uniqExactIfMergeIf(sims_state, kind = 0) {of_key})"),
            _ => format!("sumIf({}, kind = 0) {of_key}", column(state).0),
        });
        let text = self.text(top.group);
        // Values of the other period only are none of this one's.
        let (is_past, past) = if self.compares() {
            let is_past = format!("sumIf(records_used, kind = 0) {of_key} = 0 AS is_past, ");
            (is_past, "is_past, ")
        } else {
            (String::new(), "")
        };
        Ok(format!(
            "SELECT *, kind = 1 OR dense_rank() OVER (PARTITION BY {partition} ORDER BY {past}ranked_by DESC NULLS LAST, ranked_key) <= {} AS ranked\n    \
             FROM (\n    SELECT *, {is_past}{value} AS ranked_by, {text} AS ranked_key\n    FROM (\n    {grouped}\n    )\n    )",
            top.n
        ))
    }

    /// Adds rows for the buckets that keys lack, up to the watermark.
    pub(super) fn fill(&mut self, grouped: &str) -> String {
        let (mut starts, mut keys) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        for slice in &self.times.now.slices {
            let own = slice.keys.as_deref().unwrap_or_default();
            if known.insert(own) {
                starts.push(seconds(slice.from));
                keys.push(own);
            }
        }
        let times: Vec<String> = self.times_of_groups().collect();
        let columns: Vec<Vec<String>> = (0..times.len())
            .map(|place| keys.iter().map(|own| own[place].clone()).collect())
            .collect();
        let mut arrays = vec![self.scoped.parameters.bind(Parameter::Numbers(starts))];
        arrays.extend(
            columns
                .into_iter()
                .map(|column| self.scoped.parameters.bind(Parameter::Texts(column))),
        );
        let empty: String = times.iter().map(|_| ", ''").collect();
        let watermark = format!(
            "(SELECT toUnixTimestamp(max(received_at))\n    {})",
            self.scoped.years()
        );
        let buckets = format!(
            "arrayFilter(bucket -> bucket.1 > 0 AND bucket.1 <= {watermark}, arrayZip({}))",
            arrays.join(", ")
        );
        let own = format!("[(toUInt32(0){empty})]");
        let (source, kept) = if self.fills_wholes() {
            ("kind = 1", format!("arrayConcat({own}, {buckets})"))
        } else {
            let ranked = if self.query.top.is_some() {
                " AND ranked"
            } else {
                ""
            };
            let kept = format!("if(records_used <> 0{ranked}, {buckets}, [])");
            ("kind = 2", kept)
        };
        let filled = "bucket.1 > 0";
        let mut columns: Vec<String> = vec![format!("toUInt8(if({filled}, 0, kind)) AS kind")];
        columns.extend(self.parent());
        for group in self.groups() {
            let time = times.iter().position(|name| *name == group);
            columns.push(match time {
                Some(time) => format!("if({filled}, bucket.{}, {group}) AS {group}", time + 2),
                None => group,
            });
        }
        let by = columns.len();
        for state in State::VARIANTS
            .iter()
            .filter(|state| **state != State::Sims || self.has(State::Sims))
        {
            for name in self.names(*state) {
                columns.push(format!("sum(if({filled}, 0, {name})) AS {name}"));
                if *state == State::Sims && self.keeps_sims() {
                    columns.push(format!(
                        "uniqExactIfMergeStateIf({name}_state, NOT ({filled})) AS {name}_state"
                    ));
                }
            }
        }
        if self.query.top.is_some() {
            columns.push("max(ranked) AS ranked".to_owned());
        }
        columns.push(format!("max({filled}) AS filled"));
        let by: Vec<String> = (1..=by).map(|place| place.to_string()).collect();
        format!(
            "SELECT {}\n    FROM (\n    SELECT *, arrayJoin(if({source}, {kept}, {own})) AS bucket\n    FROM (\n    {grouped}\n    )\n    )\n    GROUP BY {}",
            columns.join(", "),
            by.join(", ")
        )
    }
}
