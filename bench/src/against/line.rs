//! What was measured of two programs, line by line, and when a line is slower.

use anyhow::Result;
use serde::Serialize;

use crate::report::{Table, median, short, spread, upper_quartile};

/// Below this upper quartile of the rounds' ratios a line is slower.
const TOLERANCE: f64 = 0.95;
const NOTE: &str = "Medians of both sides. The ratio of each round is ours to theirs, of processor time theirs to ours: more is \
    better. Slower is a line whose upper quartile is below 0.95.";

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Per second; it must not become less.
    Rate,
    /// Milliseconds of a processor per request; shown, and judged by nobody but the reader.
    Cost,
}

/// One measurement of both, by round: ours and theirs.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    name: String,
    kind: Kind,
    pub(super) rounds: Vec<(f64, f64)>,
}

/// A line summed up.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    #[serde(flatten)]
    line: &'a Line,
    ours: f64,
    theirs: f64,
    ratio: f64,
    lowest: f64,
    highest: f64,
    upper_quartile: f64,
    pub(super) slower: Option<bool>,
}

impl Line {
    pub(super) fn rate(name: String, round: (f64, f64)) -> Self {
        Self {
            name,
            kind: Kind::Rate,
            rounds: vec![round],
        }
    }

    pub(super) fn cost(name: String, round: (f64, f64)) -> Self {
        Self {
            kind: Kind::Cost,
            ..Self::rate(name, round)
        }
    }

    pub(super) fn summary(&self) -> Summary<'_> {
        let ratio = |(ours, theirs): &(f64, f64)| match self.kind {
            Kind::Rate => ours / theirs,
            Kind::Cost => theirs / ours,
        };
        let ratios: Vec<_> = self.rounds.iter().map(ratio).collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = self.rounds.iter().copied().unzip();
        let (lowest, highest) = spread(&ratios);
        let upper_quartile = upper_quartile(&ratios);
        Summary {
            line: self,
            ours: median(&ours),
            theirs: median(&theirs),
            ratio: median(&ratios),
            lowest,
            highest,
            upper_quartile,
            slower: (self.kind == Kind::Rate).then_some(upper_quartile < TOLERANCE),
        }
    }
}

impl Summary<'_> {
    fn cells(&self) -> Vec<String> {
        let unit = match self.line.kind {
            Kind::Rate => "/s",
            Kind::Cost => "ms",
        };
        let verdict = match self.slower {
            Some(true) => "SLOWER",
            Some(false) => "kept",
            None => "",
        };
        vec![
            self.line.name.clone(),
            format!("{} {unit}", short(self.ours)),
            format!("{} {unit}", short(self.theirs)),
            format!("{:.2}", self.ratio),
            format!("{:.2} to {:.2}", self.lowest, self.highest),
            format!("{:.2}", self.upper_quartile),
            verdict.to_owned(),
        ]
    }
}

pub(super) fn table(lines: &[Line]) -> Result<Table> {
    let lines: Vec<_> = lines.iter().map(Line::summary).collect();
    Ok(Table {
        name: "against",
        note: NOTE,
        heads: &[
            "Workload",
            "Ours",
            "Theirs",
            "Ratio",
            "Spread",
            "Upper quartile",
            "Verdict",
        ],
        rows: lines.iter().map(Summary::cells).collect(),
        json: serde_json::to_value(&lines)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: fn(String, (f64, f64)) -> Line, rounds: &[(f64, f64)]) -> Line {
        let mut line = kind("x".into(), (1.0, 1.0));
        line.rounds = rounds.to_vec();
        line
    }

    #[test]
    fn a_line_is_slower_when_three_quarters_of_its_rounds_are() {
        let slow = line(Line::rate, &[(90.0, 100.0), (80.0, 100.0), (94.0, 100.0)]);
        assert_eq!(slow.summary().slower, Some(true));
        let uneven = line(Line::rate, &[(90.0, 100.0), (80.0, 100.0), (110.0, 100.0)]);
        assert_eq!(uneven.summary().slower, Some(false));
    }

    #[test]
    fn of_a_cost_less_is_better() {
        let cost = line(Line::cost, &[(2.0, 1.0)]);
        assert!((cost.summary().ratio - 0.5).abs() < 1e-9);
        assert_eq!(cost.summary().slower, None);
    }
}
