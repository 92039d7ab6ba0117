//! The table that `verify` prints.

use std::fmt::Write as _;

use analytics::verify::Count;

/// What is compared, in the order of a line's columns.
const COLUMNS: [&str; 6] = ["ledger", "cdr", "hour", "day", "month", "year"];

/// Records of one tenant and source, by who says so.
#[derive(Clone, Debug)]
pub(super) struct Line {
    tenant: String,
    source: String,
    columns: [Count; COLUMNS.len()],
}

impl Line {
    pub(super) fn new(tenant: String, source: String) -> Self {
        Self {
            tenant,
            source,
            columns: Default::default(),
        }
    }

    pub(super) fn add(&mut self, column: usize, count: &Count) {
        let sum = &mut self.columns[column];
        sum.records += count.records;
        sum.bytes_up += count.bytes_up;
        sum.bytes_down += count.bytes_down;
    }

    /// The ledger knows no units, so they are not looked at here. Records that expired are no difference.
    fn agrees(&self) -> bool {
        self.columns.iter().all(|count| *count == self.columns[0])
    }
}

/// A count in words.
pub(super) fn sums(count: &Count) -> String {
    format!(
        "{} records, {} up, {} down",
        count.records, count.bytes_up, count.bytes_down
    )
}

/// The table as text.
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
        for count in &line.columns {
            write!(text, "  {:>12}", count.records).ok();
        }
        text.push_str(if line.agrees() {
            "  equal\n"
        } else {
            "  differ\n"
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_every_witness() {
        let mut line = Line::new("alpha".into(), "data-streamer/a".into());
        let count = Count {
            records: 7,
            bytes_up: 1,
            bytes_down: 2,
            units: 9,
        };
        for column in 0..COLUMNS.len() {
            line.add(column, &count);
        }
        let mut other = line.clone();
        other.add(
            5,
            &Count {
                bytes_up: 1,
                ..Count::default()
            },
        );
        insta::assert_snapshot!(render(&[line, other]));
    }
}
