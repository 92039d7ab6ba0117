//! The table that `verify` prints.

use std::fmt::Write as _;

use ingest::verify::{Line, Verdict};

/// What is compared, in the order of a line's columns.
const COLUMNS: [&str; 6] = ["ledger", "cdr", "hour", "day", "month", "year"];

/// The table as text: records of each tenant and source, and whether all agrees.
pub(super) fn render(lines: &[Line]) -> String {
    let width = |text: fn(&Line) -> &str, least: usize| {
        lines
            .iter()
            .map(|line| text(line).chars().count())
            .max()
            .unwrap_or(0)
            .max(least)
    };
    let (tenant, source) = (width(|line| &line.tenant, 6), width(|line| &line.source, 6));
    let mut text = format!("{:tenant$}  {:source$}", "tenant", "source");
    for column in COLUMNS {
        write!(text, "  {column:>12}").ok();
    }
    text.push_str("  bytes\n");
    for line in lines {
        write!(text, "{:tenant$}  {:source$}", line.tenant, line.source).ok();
        for count in &line.counts {
            write!(text, "  {:>12}", count.records).ok();
        }
        text.push_str(match line.verdict {
            Verdict::Equal => "  equal\n",
            Verdict::Waiting => "  on the way\n",
            Verdict::Expired => "  equal, records expired\n",
            Verdict::Differ => "  differ\n",
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use analytics::verify::Count;

    use super::*;

    #[test]
    fn a_line_shows_every_witness() {
        let count = Count {
            records: 7,
            bytes_up: 1,
            bytes_down: 2,
            units: 9,
            ..Count::default()
        };
        let line = Line {
            tenant: "alpha".into(),
            source: "data-streamer/a".into(),
            counts: [count; 6],
            verdict: Verdict::Equal,
        };
        let other = Line {
            verdict: Verdict::Differ,
            ..line.clone()
        };
        insta::assert_snapshot!(render(&[line, other]));
    }
}
