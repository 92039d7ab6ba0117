//! *Show*: `having`, order, offset and limit, and all others as one.

use domain::{Result, usage::State};
use strum::VariantArray;

use super::{Planner, shown};
use crate::usage::{OrderBy, having, scoped::Parameter};

impl Planner<'_> {
    /// Whether a group is a row: not one that has usage in the other period only, nor one without a partner.
    fn lives(&self) -> String {
        if self.is_slice() {
            return "true".to_owned();
        }
        let used = if self.fills() {
            "(records_used <> 0 OR filled)"
        } else {
            "records_used <> 0"
        };
        let having = self.query.having.as_ref();
        having.map_or(used.to_owned(), |_| format!("{used} AND meets"))
    }

    pub(super) fn show(&mut self, grouped: &str) -> Result<String> {
        if self.query.group_by.is_empty() {
            return Ok(self.show_whole(grouped));
        }
        let query = self.query;
        let having = query.having.as_ref();
        let parameters = &mut self.scoped.parameters;
        let having = having
            .map(|having| having::sql(having, parameters, &|measure| shown(query, measure)))
            .transpose()?;
        // Lines of keys have done their work. What has no partner counts for the whole only.
        let mut kept: Vec<String> = self
            .fills()
            .then(|| "kind < 2".to_owned())
            .into_iter()
            .collect();
        if self.compares() {
            let partners = self.times_of_groups();
            kept.extend(partners.map(|time| format!("(kind = 1 OR {time} <> '')")));
        }
        let source = match (having, kept.is_empty()) {
            (None, true) => grouped.to_owned(),
            (having, _) => {
                let meets = having.map_or(String::new(), |having| {
                    format!(", ifNull({having}, false) AS meets")
                });
                let kept = if kept.is_empty() {
                    String::new()
                } else {
                    format!("\n    WHERE {}", kept.join(" AND "))
                };
                format!("SELECT *{meets}\n    FROM (\n    {grouped}\n    ){kept}")
            }
        };
        Ok(if self.merges() {
            self.show_merged(&source)
        } else {
            self.show_rows(&source)
        })
    }

    /// The whole is all there is: no stage has anything to do.
    fn show_whole(&self, grouped: &str) -> String {
        let parent = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        format!(
            "SELECT kind, toUInt64(0) AS place, {parent} AS parent, toUInt8(0) AS rest, toUInt8(0) AS cut, emptyArrayString() AS keys, \
             {} AS now, {} AS before, toInt64(0) AS watermark\nFROM (\n    {grouped}\n)",
            self.states_of(&|name| name.to_owned(), 0),
            self.states_of(&|name| name.to_owned(), 1),
        )
    }

    /// The rows that are asked for, and one more that tells whether there is more.
    fn show_rows(&mut self, source: &str) -> String {
        let most = self
            .limit
            .saturating_add(self.query.offset)
            .saturating_add(1);
        let most = self.scoped.parameters.bind(Parameter::Number(most));
        let parent = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        let by = self
            .parent()
            .map_or(String::new(), |parent| format!(", {parent}"));
        format!(
            "SELECT kind, rowNumberInAllBlocks() AS place, {parent} AS parent, toUInt8(0) AS rest, toUInt8(0) AS cut, {} AS keys, \
             {} AS now, {} AS before, toInt64(0) AS watermark\nFROM (\n    SELECT *\n    FROM (\n    {source}\n    )\n    WHERE kind = 1 OR ({})\n    \
             ORDER BY {}\n    LIMIT {most} BY kind{by}\n)",
            self.keys(&|place| self.text(place)),
            self.states_of(&|name| name.to_owned(), 0),
            self.states_of(&|name| name.to_owned(), 1),
            self.lives(),
            self.order(),
        )
    }

    /// The rows that are asked for, and all others put together.
    fn show_merged(&mut self, source: &str) -> String {
        let (offset, most) = (
            self.query.offset,
            self.limit.saturating_add(self.query.offset),
        );
        let (first, last) = (
            self.scoped.parameters.bind(Parameter::Number(offset)),
            self.scoped.parameters.bind(Parameter::Number(most)),
        );
        let parent: Vec<String> = self.parent().into_iter().collect();
        let ranked = if self.query.top.is_some() {
            " AND ranked"
        } else {
            ""
        };
        let by_parent = self
            .parent()
            .map_or(String::new(), |parent| format!("PARTITION BY {parent}"));
        let partition: Vec<String> = ["kind", "eligible"]
            .map(str::to_owned)
            .into_iter()
            .chain(parent.iter().cloned())
            .collect();
        // Those that are put together: all that met the conditions and are not shown, and what has usage in the other period only.
        let meets = if self.query.having.is_some() {
            "meets AND "
        } else {
            ""
        };
        let mut hidden = format!("({meets}records_used <> 0)");
        if self.compares() {
            // A bucket that was filled in is a row, and is put together with others like any other.
            let filled = if self.fills() && self.query.having.is_some() {
                " AND (NOT filled OR meets)"
            } else {
                ""
            };
            hidden.push_str(&format!(
                " OR (records_used = 0 AND records_before <> 0{filled})"
            ));
        }
        let hidden = if self.query.others {
            format!(" OR {hidden}")
        } else {
            String::new()
        };
        let by_time = self.query.top.is_some();
        let key = |place: usize| {
            let text = self.text(place);
            if by_time && self.query.group_by[place].is_time() {
                text
            } else {
                format!("if(is_shown, {text}, '')")
            }
        };
        let parent_text = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        let sum = |name: &str| {
            if name.starts_with("sims") {
                format!("toInt128(uniqExactIfMerge({name}_state))")
            } else {
                format!("sum({name})")
            }
        };
        format!(
            "SELECT kind, min(row) AS place, {parent_text} AS parent, toUInt8(NOT is_shown) AS rest, \
             max(is_cut) AS cut, {} AS keys, {} AS now, {} AS before, toInt64(0) AS watermark\n\
             FROM (\n    SELECT *, kind = 1 OR (eligible AND row > {first} AND row <= {last}) AS is_shown, \
             max(if(eligible, row, 0)) OVER ({by_parent}) > {last} AS is_cut\n    FROM (\n    \
             SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {}) AS row\n    FROM (\n    SELECT *, kind = 0 AND {}{ranked} AS eligible\n    \
             FROM (\n    {source}\n    )\n    )\n    )\n)\nWHERE is_shown{hidden}\nGROUP BY kind, parent, is_shown, keys",
            self.keys(&key),
            self.states_of(&sum, 0),
            self.states_of(&sum, 1),
            partition.join(", "),
            self.order(),
            self.lives(),
        )
    }

    /// The states of a line in one array, in the order of [`State`]; of the other period an empty one when there is none.
    fn states_of(&self, column_of: &dyn Fn(&str) -> String, era: usize) -> String {
        if era == 1 && !self.compares() {
            return "CAST([], 'Array(Int128)')".to_owned();
        }
        let states = State::VARIANTS.iter().map(|state| {
            let name = self.names(*state)[era];
            if *state == State::Sims && !self.has(State::Sims) {
                "toInt128(0)".to_owned()
            } else {
                column_of(name)
            }
        });
        format!("[{}]", states.collect::<Vec<_>>().join(", "))
    }

    /// Keys of a line in one array.
    fn keys(&self, key: &dyn Fn(usize) -> String) -> String {
        let keys: Vec<String> = (0..self.query.group_by.len()).map(key).collect();
        if keys.is_empty() {
            "emptyArrayString()".to_owned()
        } else {
            format!("[{}]", keys.join(", "))
        }
    }

    fn order(&self) -> String {
        let asked = self.query.order_by.iter().map(|order| {
            let by = match order.by {
                OrderBy::Measure(measure) => shown(self.query, measure),
                OrderBy::Group(place) => self.text(place),
            };
            if order.descending {
                format!("{by} DESC NULLS LAST")
            } else {
                by
            }
        });
        let ties = (0..self.query.group_by.len()).map(|place| self.text(place));
        let parts: Vec<String> = asked.chain(ties).collect();
        if parts.is_empty() {
            "kind".to_owned()
        } else {
            parts.join(", ")
        }
    }
}
