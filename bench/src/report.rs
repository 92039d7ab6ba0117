//! What was measured: rounds of two sides, their ratio, and three ways to write it down.

use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

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
        let met = match self.aim {
            Aim::AtLeast(aim) => Some(ratio >= aim),
            Aim::AtMost(aim) => Some(ratio <= aim),
            Aim::Nothing => None,
        };
        Line {
            comparison: self,
            subject: median(&self.rounds.iter().map(|r| r.subject).collect::<Vec<_>>()),
            peer: median(&self.rounds.iter().map(|r| r.peer).collect::<Vec<_>>()),
            ratio,
            lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            highest: ratios.iter().copied().fold(0.0, f64::max),
            met,
        }
    }
}

impl Line<'_> {
    fn cells(&self) -> [String; 6] {
        let aim = match self.comparison.aim {
            Aim::AtLeast(aim) => format!(">= {aim}"),
            Aim::AtMost(aim) => format!("<= {aim}"),
            Aim::Nothing => String::new(),
        };
        let verdict = match self.met {
            Some(true) => format!("{aim} met"),
            Some(false) => format!("{aim} MISSED"),
            None => String::new(),
        };
        [
            self.comparison.name.clone(),
            format!("{} {}", short(self.subject), self.comparison.unit),
            format!("{} {}", short(self.peer), self.comparison.unit),
            format!("{:.2}", self.ratio),
            format!("{:.2} to {:.2}", self.lowest, self.highest),
            verdict,
        ]
    }
}

const HEADS: [&str; 6] = ["Workload", "Simcube", "Peer", "Ratio", "Spread", "Aim"];

/// Everything that was measured in one run.
pub(crate) struct Report {
    at: DateTime<Utc>,
    comparisons: Vec<Comparison>,
}

impl Report {
    /// An empty report of a run that began at `at`.
    pub(crate) fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            comparisons: Vec::new(),
        }
    }

    /// Enters what a workload measured.
    pub(crate) fn extend(&mut self, comparisons: Vec<Comparison>) {
        self.comparisons.extend(comparisons);
    }

    /// A table for a terminal.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<[String; 6]> = std::iter::once(HEADS.map(str::to_owned))
            .chain(self.comparisons.iter().map(|c| c.line().cells()))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut text = format!("{}\n", self.head());
        for row in &rows {
            let cells = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// A Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{}\n\n| {} |\n|---|---|---|---|---|---|\n",
            self.head(),
            HEADS.join(" | ")
        );
        for comparison in &self.comparisons {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {} |", comparison.line().cells().join(" | "));
        }
        text
    }

    /// Every round, for machines.
    pub(crate) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            at: DateTime<Utc>,
            cores: usize,
            comparisons: Vec<Line<'a>>,
        }
        let comparisons = self.comparisons.iter().map(Comparison::line).collect();
        let whole = Whole {
            at: self.at,
            cores: cores(),
            comparisons,
        };
        Ok(serde_json::to_string_pretty(&whole)? + "\n")
    }

    fn head(&self) -> String {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!(
            "{at}, {} cores. Medians; the ratio is Simcube to peer of each round, its spread the lowest and highest.",
            cores()
        )
    }
}

fn cores() -> usize {
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

/// Three digits are all that such measurements carry.
fn short(value: f64) -> String {
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
    fn a_latency_is_better_when_it_is_smaller() {
        let mut comparison = Comparison::new("x", "ms", Aim::AtMost(1.3));
        comparison.push(14.0, 10.0);
        assert_eq!(comparison.line().met, Some(false));
    }
}
