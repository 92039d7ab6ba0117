//! What was measured: rounds of two sides, their ratio, and the ways to write it down.

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

/// What the ratio should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// At least this (of a throughput).
    AtLeast(f64),
    /// At most this (of a latency).
    AtMost(f64),
    /// Shown to understand the others.
    Nothing,
}

impl Aim {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(aim) => Some(value >= aim),
            Self::AtMost(aim) => Some(value <= aim),
            Self::Nothing => None,
        }
    }

    /// The aim and whether a value meets it; nothing where there is none.
    pub(crate) fn verdict(self, value: f64) -> String {
        let aim = match self {
            Self::AtLeast(aim) => format!(">= {aim}"),
            Self::AtMost(aim) => format!("<= {aim}"),
            Self::Nothing => return String::new(),
        };
        let is_met = self.is_met(value).unwrap_or_default();
        format!("{aim} {}", if is_met { "met" } else { "MISSED" })
    }
}

/// One round: both sides, one after the other.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Round {
    /// Simcube.
    pub(crate) subject: f64,
    /// What it is compared with.
    pub(crate) peer: f64,
}

/// Two sides, measured by turns.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// What was done.
    pub(crate) name: String,
    /// Of both sides' values.
    pub(crate) unit: &'static str,
    /// What the ratio should be.
    pub(crate) aim: Aim,
    /// In order of time.
    pub(crate) rounds: Vec<Round>,
}

/// A comparison summed up.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    subject: f64,
    peer: f64,
    ratio: f64,
    lowest: f64,
    highest: f64,
    met: Option<bool>,
}

impl Comparison {
    /// A comparison without rounds yet.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, aim: Aim) -> Self {
        Self {
            name: name.into(),
            unit,
            aim,
            rounds: Vec::new(),
        }
    }

    /// Enters a round.
    pub(crate) fn push(&mut self, subject: f64, peer: f64) {
        self.rounds.push(Round { subject, peer });
    }

    fn line(&self) -> Line<'_> {
        let ratios: Vec<f64> = self.rounds.iter().map(|r| r.subject / r.peer).collect();
        let ratio = median(&ratios);
        let (lowest, highest) = spread(&ratios);
        Line {
            comparison: self,
            subject: median(&self.rounds.iter().map(|r| r.subject).collect::<Vec<_>>()),
            peer: median(&self.rounds.iter().map(|r| r.peer).collect::<Vec<_>>()),
            ratio,
            lowest,
            highest,
            met: self.aim.is_met(ratio),
        }
    }
}

impl Line<'_> {
    fn cells(&self) -> Vec<String> {
        vec![
            self.comparison.name.clone(),
            format!("{} {}", short(self.subject), self.comparison.unit),
            format!("{} {}", short(self.peer), self.comparison.unit),
            format!("{:.2}", self.ratio),
            format!("{:.2} to {:.2}", self.lowest, self.highest),
            self.comparison.aim.verdict(self.ratio),
        ]
    }
}

const NOTE: &str =
    "Medians; the ratio is Simcube to peer of each round, its spread the lowest and highest.";

/// A table of any kind, by its name in JSON.
pub(crate) struct Table {
    /// What machines find it by.
    pub(crate) name: &'static str,
    /// What its columns mean.
    pub(crate) note: &'static str,
    /// One for each column.
    pub(crate) heads: &'static [&'static str],
    /// One for each line, as long as the heads.
    pub(crate) rows: Vec<Vec<String>>,
    /// Everything, every round included.
    pub(crate) json: Value,
}

impl Table {
    fn of(comparisons: &[Comparison]) -> Result<Self> {
        let lines: Vec<_> = comparisons.iter().map(Comparison::line).collect();
        Ok(Self {
            name: "comparisons",
            note: NOTE,
            heads: &["Workload", "Simcube", "Peer", "Ratio", "Spread", "Aim"],
            rows: lines.iter().map(Line::cells).collect(),
            json: serde_json::to_value(lines)?,
        })
    }

    fn text(&self) -> String {
        let heads: Vec<String> = self.heads.iter().map(ToString::to_string).collect();
        let rows: Vec<_> = std::iter::once(&heads).chain(&self.rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let mut text = format!("\n{}\n", self.note);
        for row in &rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let heads = format!(
            "| {} |\n|{}\n",
            self.heads.join(" | "),
            "---|".repeat(self.heads.len())
        );
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("\n{}\n\n{heads}{rows}", self.note)
    }
}

/// Everything that was measured in one run.
pub(crate) struct Report {
    at: DateTime<Utc>,
    comparisons: Vec<Comparison>,
    tables: Vec<Table>,
}

impl Report {
    /// An empty report of a run that began at `at`.
    pub(crate) fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            comparisons: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Enters what a workload measured.
    pub(crate) fn extend(&mut self, comparisons: Vec<Comparison>) {
        self.comparisons.extend(comparisons);
    }

    /// Enters a table of another kind.
    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Closes the report.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        if !self.comparisons.is_empty() {
            self.tables.insert(0, Table::of(&self.comparisons)?);
        }
        Ok(Finished {
            at: self.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            tables: self.tables,
        })
    }
}

/// A report that can be written down.
pub(crate) struct Finished {
    at: String,
    tables: Vec<Table>,
}

impl Finished {
    /// Tables for a terminal.
    pub(crate) fn text(&self) -> String {
        self.head() + &self.tables.iter().map(Table::text).collect::<String>()
    }

    /// Markdown tables.
    pub(crate) fn markdown(&self) -> String {
        self.head() + &self.tables.iter().map(Table::markdown).collect::<String>()
    }

    /// Every round, for machines.
    pub(crate) fn json(&self) -> Result<String> {
        let mut whole = json!({ "at": self.at, "cores": cores() });
        for table in &self.tables {
            whole[table.name] = table.json.clone();
        }
        Ok(serde_json::to_string_pretty(&whole)? + "\n")
    }

    fn head(&self) -> String {
        format!("{}, {} cores.\n", self.at, cores())
    }
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The value that three quarters do not exceed, between two of them in proportion.
pub(crate) fn upper_quartile(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    // In quarters of a place.
    let (place, quarters) = (last * 3 / 4, last * 3 % 4);
    let weight = [0.0, 0.25, 0.5, 0.75][quarters];
    match (sorted.get(place), sorted.get(place + 1)) {
        (Some(low), Some(high)) => low + (high - low) * weight,
        (Some(only), None) => *only,
        _ => f64::NAN,
    }
}

/// The lowest and the highest value.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, 0.0), |(low, high), value| {
            (value.min(low), value.max(high))
        })
}

/// Three digits are all that such measurements carry.
pub(crate) fn short(value: f64) -> String {
    match value {
        big if big >= 100.0 => format!("{big:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small => format!("{small:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_ratios() {
        let mut comparison = Comparison::new("x", "/s", Aim::AtLeast(0.6));
        for (subject, peer) in [(50.0, 100.0), (70.0, 100.0), (30.0, 40.0)] {
            comparison.push(subject, peer);
        }
        let line = comparison.line();
        assert!((line.ratio - 0.7).abs() < 1e-9 && line.met == Some(true));
        assert!((line.lowest - 0.5).abs() < 1e-9 && (line.highest - 0.75).abs() < 1e-9);
    }

    #[test]
    fn the_upper_quartile_lies_between_two_places() {
        let of = |count: i32| upper_quartile(&(1..=count).map(f64::from).collect::<Vec<_>>());
        assert!((of(9) - 7.0).abs() < 1e-9 && (of(2) - 1.75).abs() < 1e-9);
        assert!((of(1) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_latency_is_better_when_it_is_smaller() {
        let mut comparison = Comparison::new("x", "ms", Aim::AtMost(1.3));
        comparison.push(14.0, 10.0);
        assert_eq!(comparison.line().met, Some(false));
    }
}
