//! *Read*: what the caller may see of each table, under the names of the groups.

use chrono::{DateTime, Utc};
use domain::{
    Code, Error, Result,
    slice::Of,
    usage::{Dimension, Known, State},
};

use super::{Planner, kept_sums};
use crate::{
    cube::Table,
    usage::{
        Group, Parents, filter,
        scoped::Parameter,
        tile::{Depth, Tile, seconds, tiles},
        times::{Era, Slice},
    },
};

impl Planner<'_> {
    /// Everything that the caller may see of the periods, under the names of the groups.
    pub(super) fn read(&mut self, now: DateTime<Utc>) -> Result<(String, Vec<Table>)> {
        let conditions = self.conditions()?;
        let kept = self.scoped.records_from(now);
        let (mut reads, mut tables) = (Vec::new(), Vec::new());
        let eras = [Some(self.times.now.clone()), self.times.before.clone()];
        for (number, era) in eras.into_iter().enumerate() {
            let Some(era) = era.filter(|era| !era.slices.is_empty()) else {
                continue;
            };
            let slices = self.slices(&era);
            let tiles = tiles(&era.slices, kept).map_err(|error| {
                if number == 0 {
                    return error.at("period");
                }
                let text = "the earlier period cannot be counted exactly: parts of hours (UTC) are counted from records, and records that old are not kept";
                Error::new(Code::NotExact, text).at("compare_to")
            });
            for tile in tiles? {
                let (table, read) = self.tile(&tile, number, &slices, &conditions.0);
                if !tables.contains(&table) {
                    tables.push(table);
                }
                reads.push(read);
            }
        }
        let all = reads.join("\n    UNION ALL\n    ");
        let mut sql = self.joined(&all, &conditions.1);
        if self.fills_wholes() {
            sql.push_str("\n    UNION ALL\n    ");
            sql.push_str(&self.nothing()?);
        }
        Ok((sql, tables))
    }

    /// What is asked for, in terms of the tables and of what is joined to them.
    pub(super) fn conditions(&mut self) -> Result<(Vec<String>, Vec<String>)> {
        let mut conditions = (self.slice_of_cells(), Vec::new());
        if let Some(Parents { dimension, ids, .. }) = self.parents {
            let condition =
                filter::is_in(dimension, ids, &mut self.scoped.parameters, self.columns);
            let place = if self.columns.is_joined(dimension) {
                &mut conditions.1
            } else {
                &mut conditions.0
            };
            place.push(condition?);
        }
        if let Some(filter) = &self.query.filter {
            let condition = filter::sql(filter, &mut self.scoped.parameters, self.columns);
            let condition = condition.map_err(|error| error.at("filter"));
            let joined = filter
                .conditions()
                .iter()
                .any(|condition| self.columns.is_joined(condition.dimension()));
            let place = if joined {
                &mut conditions.1
            } else {
                &mut conditions.0
            };
            place.push(condition?);
        }
        Ok(conditions)
    }

    /// The cells of the slice that is read: byte by byte, as its ids are compared and the engine's own order is not.
    fn slice_of_cells(&mut self) -> Vec<String> {
        let Some(slice) = self.columns.inventory.slice() else {
            return Vec::new();
        };
        let column = match slice.of {
            Of::Sims => "sim",
            Of::Devices => "device",
        };
        let bounds = [(">=", slice.from), ("<", slice.to)];
        let parameters = &mut self.scoped.parameters;
        let terms = bounds.into_iter().filter_map(|(operator, bound)| {
            let bound = parameters.bind(Parameter::Uuid(bound?));
            Some(format!("UUIDToNum({column}) {operator} UUIDToNum({bound})"))
        });
        terms.collect()
    }

    /// A line without usage, for each parent, so that there is a whole to fill in.
    fn nothing(&mut self) -> Result<String> {
        let mut columns: Vec<String> = self.parent().into_iter().collect();
        columns.extend(self.groups().iter().map(|_| "''".to_owned()));
        if self.has(State::Sims) {
            columns.push(format!("toUUID('{}')", uuid::Uuid::nil()));
        }
        columns.extend(self.wanted_sums().map(|_| "toInt128(0)".to_owned()));
        if self.compares() {
            columns.push("toUInt8(0)".to_owned());
        }
        let mut sql = format!("SELECT {}", columns.join(", "));
        if let Some(Parents { dimension, ids, .. }) = self.parents {
            let ids = filter::list(dimension, ids)?;
            let ids = self.scoped.parameters.bind(ids);
            sql.push_str(&format!("\n    FROM (SELECT arrayJoin({ids}) AS parent)"));
        }
        Ok(sql)
    }

    /// Columns of the groups of time, as expressions over the moment of a cell.
    fn slices(&mut self, era: &Era) -> Vec<String> {
        let times: Vec<String> = self.times_of_groups().collect();
        if times.is_empty() {
            return Vec::new();
        }
        let starts = era.slices.iter().map(|slice| seconds(slice.from)).collect();
        let starts = self.scoped.parameters.bind(Parameter::Numbers(starts));
        let columns = times.iter().enumerate().map(|(place, name)| {
            let key = |slice: &Slice| {
                slice
                    .keys
                    .as_ref()
                    .map_or(String::new(), |keys| keys[place].clone())
            };
            let keys = self
                .scoped
                .parameters
                .bind(Parameter::Texts(era.slices.iter().map(key).collect()));
            format!("transform(roundDown(moment, {starts}), {starts}, {keys}, '') AS {name}")
        });
        columns.collect()
    }

    /// One table's part of a period.
    fn tile(
        &mut self,
        tile: &Tile,
        era: usize,
        slices: &[String],
        conditions: &[String],
    ) -> (Table, String) {
        let table = match tile.depth {
            Depth::Records => Table::Records,
            Depth::Cells(level) => Table::Cube(self.scoped.cube(level, &self.named)),
        };
        let (is_cell, moment) = match table {
            Table::Cube(_) => (true, "period"),
            Table::Records => (false, self.scoped.family.time()),
        };
        let mut columns: Vec<String> = self
            .needed
            .iter()
            .map(|column| (*column).to_owned())
            .collect();
        for (state, source) in kept_sums() {
            if self.has(state) || state == State::Records {
                columns.push(match (is_cell, state) {
                    (true, _) => format!("toInt128({source}) AS {source}"),
                    (false, State::Records) => format!("toInt128(sign) AS {source}"),
                    (false, _) => format!("toInt128({source}) * sign AS {source}"),
                });
            }
        }
        if !slices.is_empty() {
            columns.push(format!("toUnixTimestamp({moment}) AS moment"));
            columns.extend(slices.iter().cloned());
        }
        if self.compares() {
            columns.push(format!("toUInt8({era}) AS era"));
        }
        (
            table,
            self.scoped
                .own(&columns.join(", "), table, &tile.spans, conditions),
        )
    }

    /// What the tables hold, with what they do not know.
    fn joined(&self, all: &str, conditions: &[String]) -> String {
        let mut columns: Vec<String> = self
            .parents
            .iter()
            .map(|parents| format!("{} AS parent", self.columns.of(parents.dimension)))
            .collect();
        for (place, group) in self.query.group_by.iter().enumerate() {
            let value = match group {
                Group::Time(_) | Group::TimePart(_) => format!("g{place}"),
                Group::Dimension(dimension) => {
                    format!("{} AS g{place}", self.columns.key(*dimension))
                }
                Group::SimLabel(_) | Group::DeviceLabel(_) => {
                    format!("{} AS g{place}", self.label(group))
                }
            };
            columns.push(value);
        }
        if self.has(State::Sims) {
            columns.push("sim AS subscriber".to_owned());
        }
        columns.extend(self.wanted_sums().map(str::to_owned));
        if self.compares() {
            columns.push("era".to_owned());
        }
        format!(
            "SELECT {}\n    {}",
            columns.join(", "),
            self.with_joins(all, conditions)
        )
    }

    /// The end of a SELECT: rows of the tables as `own`, beside what they do not know, narrowed by conditions on both.
    pub(super) fn with_joins(&self, all: &str, conditions: &[String]) -> String {
        let mut sql = format!("FROM (\n    {all}\n    ) AS own");
        let parent = self.parents.map(|parents| parents.dimension);
        if self
            .query
            .dimensions()
            .chain(parent)
            .any(|dimension| dimension.entry().known == Known::Network)
        {
            sql.push_str(
                "\n    LEFT ANY JOIN (SELECT plmn, country_code FROM network FINAL) AS reference ON reference.plmn = own.network",
            );
        }
        // What the device is looked up by may itself be looked up.
        let (of_devices, of_sims): (Vec<_>, Vec<_>) = self
            .columns
            .inventory
            .iter()
            .filter(|(_, need, _)| need.has_words())
            .partition(|(_, need, _)| need.dimension() == Dimension::Device);
        for (place, need, _) in of_sims.into_iter().chain(of_devices) {
            sql.push_str(&format!(
                "\n    LEFT ANY JOIN (SELECT id AS id{place}, word AS word{place} FROM carried{place}) AS now{place} \
                 ON now{place}.id{place} = {}",
                self.columns.of(need.dimension())
            ));
        }
        if !conditions.is_empty() {
            sql.push_str("\n    WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        sql
    }

    fn label(&self, group: &Group) -> String {
        let need = group.need(self.query.attribution);
        need.map_or_else(|| "''".to_owned(), |need| self.columns.label(&need))
    }
}
