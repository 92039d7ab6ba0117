//! What held when: a value, or none, over all of time.

use chrono::{DateTime, Utc};

/// A moment; `None` is the beginning of time and sorts first.
pub(super) type Moment = Option<DateTime<Utc>>;

/// Change points in order of time. Before the first there is no value; equal neighbours are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timeline<T>(Vec<(Moment, Option<T>)>);

/// A span in which one value held. An open `to` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span<T> {
    pub(super) from: Moment,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) value: T,
}

impl<T> Default for Timeline<T> {
    /// Nothing ever holds.
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + PartialEq> Timeline<T> {
    /// From spans that do not overlap, in any order.
    pub(super) fn new(mut spans: Vec<Span<T>>) -> Self {
        spans.sort_by_key(|span| span.from);
        let mut points: Vec<(Moment, Option<T>)> = Vec::new();
        for span in spans {
            // A span that begins where the one before ended replaces its end.
            points.retain(|(moment, _)| *moment != span.from);
            points.push((span.from, Some(span.value)));
            if let Some(to) = span.to {
                points.push((Some(to), None));
            }
        }
        Self::joined(points)
    }

    fn joined(points: Vec<(Moment, Option<T>)>) -> Self {
        let mut joined: Vec<(Moment, Option<T>)> = Vec::new();
        for (moment, value) in points {
            if joined.last().and_then(|(_, last)| last.as_ref()) != value.as_ref() {
                joined.push((moment, value));
            }
        }
        Self(joined)
    }

    /// Nothing ever held.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that holds from the last change on.
    pub(super) fn current(&self) -> Option<&T> {
        self.0.last().and_then(|(_, value)| value.as_ref())
    }

    fn at(&self, moment: Moment) -> Option<&T> {
        self.0
            .iter()
            .rev()
            .find(|(from, _)| *from <= moment)
            .and_then(|(_, value)| value.as_ref())
    }

    /// This timeline with values that hold from given moments until the next known change.
    pub(super) fn with(&self, changes: &[(Moment, Option<T>)]) -> Self {
        let mut points = self.0.clone();
        points.retain(|(moment, _)| changes.iter().all(|(changed, _)| changed != moment));
        points.extend_from_slice(changes);
        points.sort_by_key(|(moment, _)| *moment);
        Self::joined(points)
    }

    /// The first moment at which the two differ.
    pub(super) fn first_difference(&self, other: &Self) -> Option<Moment> {
        let mut moments: Vec<_> = self
            .0
            .iter()
            .chain(&other.0)
            .map(|(moment, _)| *moment)
            .collect();
        moments.sort_unstable();
        moments
            .into_iter()
            .find(|moment| self.at(*moment) != other.at(*moment))
    }

    /// The spans with a value, in order of time.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span<&T>> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, (from, value))| {
                let to = self.0.get(index + 1).and_then(|(next, _)| *next);
                value.as_ref().map(|value| Span {
                    from: *from,
                    to,
                    value,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(day: i64) -> Moment {
        (day > 0).then(|| DateTime::UNIX_EPOCH + chrono::Duration::days(day))
    }

    fn changes() -> impl Strategy<Value = Vec<(Moment, Option<u8>)>> {
        proptest::collection::btree_map(0..9i64, proptest::option::of(0..3u8), 0..6).prop_map(
            |map| {
                map.into_iter()
                    .map(|(day, value)| (moment(day), value))
                    .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn the_same_changes_twice_change_nothing(before in changes(), after in changes()) {
            let before = Timeline::default().with(&before);
            let once = before.with(&after);
            prop_assert_eq!(&once.with(&after), &once);
            prop_assert_eq!(once.first_difference(&once), None);
        }

        #[test]
        fn stored_spans_read_back_the_same(all in changes()) {
            let timeline = Timeline::default().with(&all);
            let spans = timeline.spans().map(|s| Span { from: s.from, to: s.to, value: *s.value });
            prop_assert_eq!(Timeline::new(spans.collect()), timeline);
        }

        #[test]
        fn nothing_before_the_first_difference_changes(before in changes(), after in changes()) {
            let before = Timeline::default().with(&before);
            let after = before.with(&after);
            if let Some(first) = before.first_difference(&after) {
                for day in 0..10 {
                    let moment = moment(day);
                    prop_assert!(moment >= first || before.at(moment) == after.at(moment));
                }
            } else {
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn a_gap_is_none() {
        let spans = vec![
            Span {
                from: moment(4),
                to: None,
                value: 'b',
            },
            Span {
                from: None,
                to: moment(2),
                value: 'a',
            },
        ];
        let timeline = Timeline::new(spans);
        assert_eq!(timeline.at(moment(1)), Some(&'a'));
        assert_eq!(timeline.at(moment(3)), None);
        assert_eq!(timeline.current(), Some(&'b'));
    }
}
