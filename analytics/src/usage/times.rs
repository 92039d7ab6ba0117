//! What a question's words of time mean at a moment: one period, or two that are compared, each in slices that are told apart by
//! the groups.

use std::collections::HashSet;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Timelike,
    Utc,
};
use domain::{
    Code, Error, Period, Result,
    calendar::Zone,
    usage::{Alignment, Comparison, Grain, TimePart},
};

use super::{CubeQuery, Group, Span, UsageLimits, limit::beyond};

/// A part of a period all of which is in the same groups of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// One key for each group of time, in the question's order, as text that sorts as the keys do. None has no partner in the
    /// period that this one is compared with.
    pub(super) keys: Option<Vec<String>>,
}

/// What is read of one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Era {
    /// Without gaps, from the first moment to the last; none when nothing of it has begun.
    pub(super) slices: Vec<Slice>,
}

/// A question's words of time at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) period: Period,
    pub(super) now: Era,
    pub(super) before: Option<Era>,
}

/// First and last moment that a cube can hold, Unix seconds.
const BEGIN: i64 = 0;
const END: i64 = u32::MAX as i64;

impl Times {
    /// # Errors
    /// `NOT_EXACT` for parts of seconds, `INVALID_INPUT` for a period that ends before it begins or that no cube can hold,
    /// `LIMIT_EXCEEDED` for too many buckets.
    pub(super) fn of(query: &CubeQuery, now: DateTime<Utc>) -> Result<Self> {
        let groups = Groups::of(query);
        let period = groups
            .period(query.period, now)
            .map_err(|error| error.at("period"))?;
        within_cubes(period).map_err(|error| error.at("period"))?;
        let current = Era {
            slices: groups.slices(period)?,
        };
        let before = match query.compare_to {
            None => None,
            Some(comparison) => {
                let elapsed = match query.period.running_at(now) {
                    Some(at) => groups.bucket(Grain::Hour, at)?.to().min(period.to()),
                    None => period.to(),
                };
                let shift = Shift::of(comparison, groups.zone, period);
                Some(groups.before(period, elapsed, shift, &current)?)
            }
        };
        Ok(Self {
            period,
            now: current,
            before,
        })
    }

    /// How many buckets the groups of time tell apart.
    pub(super) fn buckets(&self) -> usize {
        let slices = self.now.slices.iter();
        slices
            .filter_map(|slice| slice.keys.as_ref())
            .collect::<HashSet<_>>()
            .len()
    }
}

impl Span {
    /// What it means at a moment, for what has no groups of time.
    ///
    /// # Errors
    /// Those of a question's period.
    pub fn at(self, zone: Zone, now: DateTime<Utc>) -> Result<Period> {
        let groups = Groups {
            zone,
            groups: Vec::new(),
        };
        let period = groups.period(self, now);
        period.map_err(|error| error.at("period"))
    }
}

/// The groups of time of a question.
struct Groups<'a> {
    zone: Zone,
    groups: Vec<&'a Group>,
}

impl<'a> Groups<'a> {
    fn of(query: &'a CubeQuery) -> Self {
        Self {
            zone: query.time_zone,
            groups: query
                .group_by
                .iter()
                .filter(|group| group.is_time())
                .collect(),
        }
    }

    fn period(&self, span: Span, now: DateTime<Utc>) -> Result<Period> {
        match span {
            Span::Preset(preset) => self.zone.preset(preset, now),
            Span::PresetAt { preset, at } => {
                // It comes from outside, as bounds do, and may be any moment that a calendar has.
                moment_within_cubes(at).map_err(|error| error.at("at").at("preset_at"))?;
                self.zone.preset(preset, at)
            }
            Span::Between { from, to, align } => {
                let period = Period::new(from, to).map_err(|error| error.at("between"))?;
                within_cubes(period)?;
                match align {
                    Alignment::Outward => self.outward(period),
                    Alignment::Exact => {
                        let part = |moment: DateTime<Utc>| moment.nanosecond() != 0;
                        if part(from) || part(to) {
                            return Err(not_exact(
                                "from and to must be whole seconds",
                                kept(self.outward(period)?)?,
                            ));
                        }
                        Ok(period)
                    }
                }
            }
        }
    }

    /// The period in whole buckets, or whole hours (UTC) where there are none.
    fn outward(&self, period: Period) -> Result<Period> {
        let (zone, grain) = match self.grain() {
            Some(grain) => (self.zone, grain),
            None => (Zone::UTC, Grain::Hour),
        };
        let around = |moment| zone.bucket(grain, moment).ok_or_else(beyond_calendar);
        let last = period.to() - TimeDelta::nanoseconds(1);
        Period::new(around(period.from())?.from(), around(last)?.to())
    }

    /// Width of the buckets that the groups tell apart; none when there is no group of time.
    fn grain(&self) -> Option<Grain> {
        let grains = self.groups.iter().filter_map(|group| match group {
            Group::Time(grain) => Some(*grain),
            Group::TimePart(TimePart::HourOfDay) => Some(Grain::Hour),
            Group::TimePart(TimePart::DayOfWeek | TimePart::DayOfMonth) => Some(Grain::Day),
            Group::TimePart(TimePart::MonthOfYear) => Some(Grain::Month),
            _ => None,
        });
        let grains: Vec<Grain> = grains.collect();
        let finest = *grains.iter().min()?;
        // A month is not made of weeks.
        let mixed = finest == Grain::Week && grains.iter().any(|grain| *grain > Grain::Week);
        Some(if mixed { Grain::Day } else { finest })
    }

    fn bucket(&self, grain: Grain, moment: DateTime<Utc>) -> Result<Period> {
        self.zone.bucket(grain, moment).ok_or_else(beyond_calendar)
    }

    fn keys(&self, moment: DateTime<Utc>) -> Result<Vec<String>> {
        let key = |group: &&Group| {
            Ok(match group {
                Group::Time(grain) => format!(
                    "{:010}",
                    self.bucket(*grain, moment)?.from().timestamp().max(0)
                ),
                Group::TimePart(part) => format!("{:02}", self.zone.part(*part, moment)),
                _ => String::new(),
            })
        };
        self.groups.iter().map(key).collect()
    }

    /// A period in buckets of a width, without a gap.
    fn walk(&self, grain: Grain, period: Period) -> Result<Vec<(DateTime<Utc>, DateTime<Utc>)>> {
        let mut found = Vec::new();
        let mut from = period.from();
        while from < period.to() {
            if found.len() == UsageLimits::BUCKETS {
                let error = beyond(
                    "too many time buckets",
                    UsageLimits::BUCKETS,
                    UsageLimits::BUCKETS as u64 + 1,
                );
                return Err(error
                    .at("period")
                    .suggest("a shorter period or wider buckets"));
            }
            let to = self.bucket(grain, from)?.to().min(period.to());
            found.push((from, to));
            from = to;
        }
        Ok(found)
    }

    fn slices(&self, period: Period) -> Result<Vec<Slice>> {
        let Some(grain) = self.grain() else {
            return Ok(vec![Slice {
                from: period.from(),
                to: period.to(),
                keys: Some(Vec::new()),
            }]);
        };
        let buckets = self.walk(grain, period)?;
        let slice = |(from, to)| {
            Ok(Slice {
                from,
                to,
                keys: Some(self.keys(from)?),
            })
        };
        merged(buckets.into_iter().map(slice))
    }

    /// What a period is compared with, as far as the period has elapsed; each slice has the keys of its partner.
    fn before(
        &self,
        period: Period,
        elapsed: DateTime<Utc>,
        shift: Shift,
        current: &Era,
    ) -> Result<Era> {
        let back = |moment| shift.back(self.zone, moment).ok_or_else(beyond_calendar);
        let earliest = DateTime::from_timestamp(BEGIN, 0).ok_or_else(beyond_calendar)?;
        let Ok(span) = Period::new(back(period.from())?.max(earliest), back(elapsed)?) else {
            return Ok(Era { slices: Vec::new() });
        };
        let slices = match (shift, self.grain()) {
            (_, None) => vec![Slice {
                from: span.from(),
                to: span.to(),
                keys: Some(Vec::new()),
            }],
            (Shift::By(length), _) => {
                let slices = current.slices.iter().filter_map(|slice| {
                    let (from, to) = (
                        (slice.from - length).max(span.from()),
                        (slice.to - length).min(span.to()),
                    );
                    (from < to).then(|| Slice {
                        from,
                        to,
                        keys: slice.keys.clone(),
                    })
                });
                slices.collect()
            }
            (_, Some(grain)) => {
                let step = match grain {
                    Grain::Hour => Grain::Hour,
                    Grain::Month | Grain::Quarter | Grain::Year if shift.keeps_months() => {
                        Grain::Month
                    }
                    _ => Grain::Day,
                };
                // The period may begin or end within a day or month; its usage has a partner there all the same.
                let meets = |moment| {
                    let bucket = self.zone.bucket(step, moment);
                    bucket.is_some_and(|it| it.from() < period.to() && period.from() < it.to())
                };
                let slice = |(from, to)| {
                    let partner = shift
                        .forth(self.zone, step, from)
                        .filter(|moment| meets(*moment));
                    Ok(Slice {
                        from,
                        to,
                        keys: partner.map(|moment| self.keys(moment)).transpose()?,
                    })
                };
                let buckets = self.walk(step, span)?.into_iter();
                let pieces = buckets.flat_map(|bucket| shift.pieces(self.zone, step, bucket));
                merged(pieces.map(slice))?
            }
        };
        Ok(Era { slices })
    }
}

/// How far back a period is compared.
#[derive(Clone, Copy)]
enum Shift {
    /// Calendar months: the period begins and ends with one.
    Months(u32),
    /// The same dates a year before.
    Year,
    /// Days of the calendar: the period begins and ends with one.
    Days(u64),
    /// As much time.
    By(TimeDelta),
}

impl Shift {
    fn of(comparison: Comparison, zone: Zone, period: Period) -> Self {
        let (from, to) = (zone.local(period.from()), zone.local(period.to()));
        let whole_days = zone.is_midnight(period.from()) && zone.is_midnight(period.to());
        match comparison {
            Comparison::PreviousYear => Self::Year,
            Comparison::PreviousPeriod if whole_days && from.day() == 1 && to.day() == 1 => {
                let months = (to.year() - from.year()) * 12 + to.month().cast_signed()
                    - from.month().cast_signed();
                Self::Months(months.unsigned_abs())
            }
            Comparison::PreviousPeriod if whole_days => {
                Self::Days((to.date() - from.date()).num_days().unsigned_abs())
            }
            Comparison::PreviousPeriod => Self::By(period.to() - period.from()),
        }
    }

    const fn keeps_months(self) -> bool {
        matches!(self, Self::Months(_) | Self::Year)
    }

    /// A bound of the period, moved back. A date that is missing there is the next one; the beginning of a day stays one, whether
    /// or not it is at midnight.
    fn back(self, zone: Zone, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = zone.local(moment);
        let by_months = |months| {
            let moved = local.checked_sub_months(Months::new(months))?;
            match same_day(local, moved) {
                Some(moved) => Some(moved),
                None => Some(moved.date().succ_opt()?.and_time(NaiveTime::MIN)),
            }
        };
        let moved = match self {
            Self::By(length) => return moment.checked_sub_signed(length),
            Self::Days(days) => local.checked_sub_days(Days::new(days))?,
            Self::Months(months) => by_months(months)?,
            Self::Year => by_months(12)?,
        };
        if zone.is_midnight(moment) {
            zone.midnight(moved.date())
        } else {
            zone.moment(moved)
        }
    }

    /// A bucket before, cut where what follows has another partner or none: a clock may be set at any minute of an hour.
    fn pieces(
        self,
        zone: Zone,
        step: Grain,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        if step != Grain::Hour {
            return vec![(from, to)];
        }
        let way = |moment| Some(self.forth(zone, step, moment)? - moment);
        let second = TimeDelta::seconds(1);
        let (mut pieces, mut begin) = (Vec::new(), from);
        while way(begin) != way(to - second) {
            // The first second that goes another way lies after `begin`, and not after `other`.
            let (mut same, mut other) = (begin, to - second);
            while other - same > second {
                let middle = same + TimeDelta::seconds((other - same).num_seconds() / 2);
                if way(middle) == way(begin) {
                    same = middle;
                } else {
                    other = middle;
                }
            }
            pieces.push((begin, other));
            begin = other;
        }
        pieces.push((begin, to));
        pieces
    }

    /// The partner of what begins at a moment before; none where its date or its hour is missing.
    fn forth(self, zone: Zone, step: Grain, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = zone.local(moment);
        let local = if step == Grain::Month {
            local.with_day(1)?
        } else {
            local
        };
        let moved = match self {
            Self::By(length) => return moment.checked_add_signed(length),
            Self::Days(days) => local.checked_add_days(Days::new(days))?,
            Self::Months(months) => {
                same_day(local, local.checked_add_months(Months::new(months))?)?
            }
            Self::Year => same_day(local, local.checked_add_months(Months::new(12))?)?,
        };
        if step != Grain::Hour {
            // A day begins when it begins, at midnight or after it.
            return zone
                .midnight(moved.date())
                .filter(|found| zone.local(*found).date() == moved.date());
        }
        zone.moment(moved)
            .filter(|found| zone.local(*found) == moved)
    }
}

fn same_day(from: NaiveDateTime, to: NaiveDateTime) -> Option<NaiveDateTime> {
    (from.day() == to.day()).then_some(to)
}

/// Slices with neighbours of the same keys as one.
fn merged(slices: impl Iterator<Item = Result<Slice>>) -> Result<Vec<Slice>> {
    let mut found: Vec<Slice> = Vec::new();
    for slice in slices {
        let slice = slice?;
        match found.last_mut() {
            Some(last) if last.keys == slice.keys && last.to == slice.from => last.to = slice.to,
            _ => found.push(slice),
        }
    }
    Ok(found)
}

/// # Errors
/// `INVALID_INPUT` for a period that no cube can hold.
pub(super) fn within_cubes(period: Period) -> Result<()> {
    moment_within_cubes(period.from())?;
    moment_within_cubes(period.to())
}

fn moment_within_cubes(moment: DateTime<Utc>) -> Result<()> {
    if (BEGIN..=END).contains(&moment.timestamp()) {
        return Ok(());
    }
    Err(Error::invalid("usage is kept from 1970 to 2106"))
}

fn beyond_calendar() -> Error {
    Error::invalid("that time is out of range")
}

impl Era {
    /// From its first moment to its last; none when nothing of it has begun.
    pub(super) fn period(&self) -> Option<Period> {
        let (first, last) = (self.slices.first()?, self.slices.last()?);
        Period::new(first.from, last.to).ok()
    }
}

/// As much of a period as the cubes can hold.
fn kept(period: Period) -> Result<Period> {
    let [begin, end] = [BEGIN, END].map(|moment| DateTime::from_timestamp(moment, 0));
    let begin = begin.ok_or_else(beyond_calendar)?;
    let end = end.ok_or_else(beyond_calendar)?;
    Period::new(period.from().max(begin), period.to().min(end))
}

/// No table has these bounds; those of `period` may do.
pub(super) fn not_exact(reason: &str, period: Period) -> Error {
    with_bounds(Error::new(Code::NotExact, reason), period)
}

/// The refusal of bounds, with others that would do.
pub(super) fn with_bounds(refusal: Error, period: Period) -> Error {
    let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let suggestion = format!("from {} to {}", text(period.from()), text(period.to()));
    refusal.would_do(period).suggest(suggestion)
}

#[cfg(test)]
mod tests {
    use domain::usage::{Measure, Preset};
    use strum::VariantArray as _;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn question(span: Span, zone: &str, groups: Vec<Group>, comparison: Comparison) -> CubeQuery {
        CubeQuery {
            time_zone: zone.parse().expect("a zone"),
            group_by: groups,
            compare_to: Some(comparison),
            ..CubeQuery::of(&[Measure::Records], span)
        }
    }

    fn between(from: &str, to: &str) -> Span {
        Span::Between {
            from: at(from),
            to: at(to),
            align: Alignment::Exact,
        }
    }

    /// First and last moment of what the question is compared with.
    fn compared(query: &CubeQuery) -> (String, String) {
        let times = Times::of(query, at("2026-11-23T14:05:00Z")).expect("a period");
        let slices = times.before.expect("compared").slices;
        let text = |moment: DateTime<Utc>| moment.format("%Y-%m-%dT%H:%M").to_string();
        (text(slices[0].from), text(slices[slices.len() - 1].to))
    }

    #[test]
    fn a_period_is_compared_with_its_like() {
        let is = |span, comparison, from: &str, to: &str| {
            let found = compared(&question(span, "Europe/Berlin", vec![], comparison));
            assert_eq!(found, (from.to_owned(), to.to_owned()));
        };
        let (period, year) = (Comparison::PreviousPeriod, Comparison::PreviousYear);
        let march = between("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        is(march, period, "2026-01-31T23:00", "2026-02-28T23:00");
        is(march, year, "2025-02-28T23:00", "2025-03-31T22:00");
        // Three days across the beginning of summer time, then as many days before.
        let days = between("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z");
        is(days, period, "2026-03-24T23:00", "2026-03-27T23:00");
        let hours = between("2026-03-28T22:00:00Z", "2026-03-29T08:00:00Z");
        is(hours, period, "2026-03-28T12:00", "2026-03-28T22:00");
        // The running month, up to the end of the running hour.
        let this = Span::Preset(Preset::ThisMonth);
        is(this, period, "2026-09-30T22:00", "2026-10-23T14:00");
        is(this, year, "2025-10-31T23:00", "2025-11-23T15:00");
        is(
            Span::Preset(Preset::LastMonth),
            period,
            "2026-08-31T22:00",
            "2026-09-30T22:00",
        );
    }

    #[test]
    fn what_was_meant_at_a_moment_is_at_any_later_time_what_it_was_then() {
        let now = at("2026-11-23T14:05:00Z");
        for preset in Preset::VARIANTS {
            for comparison in [Comparison::PreviousPeriod, Comparison::PreviousYear] {
                let times = |span, now| {
                    let days = vec![Group::Time(Grain::Day)];
                    let query = question(span, "Europe/Berlin", days, comparison);
                    Times::of(&query, now).expect("a period")
                };
                let moving = Span::Preset(*preset);
                let then = times(moving, now);
                let later = now + TimeDelta::days(400);
                assert_eq!(times(moving.meant_at(now), later), then, "{preset:?}");
                assert_ne!(times(moving, later).period, then.period, "{preset:?}");
            }
        }
    }

    #[test]
    fn the_29th_of_february_has_no_partner() {
        let day = vec![Group::Time(Grain::Day)];
        let query = question(
            between("2025-02-27T00:00:00Z", "2025-03-02T00:00:00Z"),
            "UTC",
            day,
            Comparison::PreviousYear,
        );
        let times = Times::of(&query, at("2026-01-01T00:00:00Z")).expect("a period");
        let before = times.before.expect("compared").slices;
        let partners: Vec<_> = before
            .iter()
            .map(|slice| (slice.from.format("%m-%d").to_string(), slice.keys.is_some()))
            .collect();
        let expected = [
            ("02-27", true),
            ("02-28", true),
            ("02-29", false),
            ("03-01", true),
        ];
        assert_eq!(partners, expected.map(|(day, has)| (day.to_owned(), has)));
    }

    #[test]
    fn a_day_that_begins_after_midnight_is_compared_with_a_whole_day() {
        // In Beirut 2026-03-29 begins at one.
        let query = question(
            between("2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
            "Asia/Beirut",
            vec![],
            Comparison::PreviousYear,
        );
        let (from, to) = compared(&query);
        assert_eq!((&*from, &*to), ("2025-03-28T22:00", "2025-03-29T22:00"));
    }

    #[test]
    fn half_an_hour_may_have_a_partner() {
        // On Lord Howe Island there is no time from two to half past two on 2026-10-04.
        let query = question(
            between("2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),
            "Australia/Lord_Howe",
            vec![Group::TimePart(TimePart::HourOfDay)],
            Comparison::PreviousPeriod,
        );
        let times = Times::of(&query, at("2026-11-23T14:05:00Z")).expect("a period");
        let slices = times.before.expect("compared").slices;
        let two = slices
            .iter()
            .filter(|it| {
                at("2026-10-02T15:30:00Z") <= it.from && it.to <= at("2026-10-02T16:30:00Z")
            })
            .map(|it| (it.to - it.from, it.keys.clone()));
        let half = TimeDelta::minutes(30);
        assert_eq!(
            two.collect::<Vec<_>>(),
            [(half, None), (half, Some(vec!["02".to_owned()]))]
        );
    }

    #[test]
    fn a_quarter_of_an_hour_may_have_another_partner() {
        // On the Chatham Islands the clock is set from 02:45 to 03:45, and back from 03:45.
        let slices = |from: &str, to: &str, hours: [&str; 2]| {
            let query = question(
                between(from, to),
                "Pacific/Chatham",
                vec![Group::Time(Grain::Hour)],
                Comparison::PreviousPeriod,
            );
            let times = Times::of(&query, at("2026-11-23T14:05:00Z")).expect("a period");
            let [from, to] = hours.map(at);
            let slices = times.before.expect("compared").slices.into_iter();
            let own = slices.filter(|it| from <= it.from && it.to <= to);
            let partner = |key: &String| {
                let seconds = key.parse().expect("a number");
                DateTime::from_timestamp(seconds, 0).expect("a moment")
            };
            own.map(|it| (it.from, it.keys.map(|keys| partner(&keys[0]))))
                .collect::<Vec<_>>()
        };
        let missing = slices(
            "2026-09-26T11:15:00Z",
            "2026-09-27T10:15:00Z",
            ["2026-09-25T13:15:00Z", "2026-09-25T15:15:00Z"],
        );
        assert_eq!(
            missing,
            [
                (at("2026-09-25T13:15:00Z"), Some(at("2026-09-26T13:15:00Z"))),
                (at("2026-09-25T14:00:00Z"), None),
                (at("2026-09-25T15:00:00Z"), Some(at("2026-09-26T14:00:00Z"))),
            ]
        );
        let twice = slices(
            "2026-04-04T10:15:00Z",
            "2026-04-05T11:15:00Z",
            ["2026-04-03T12:15:00Z", "2026-04-03T14:15:00Z"],
        );
        assert_eq!(
            twice,
            [
                (at("2026-04-03T12:15:00Z"), Some(at("2026-04-04T12:15:00Z"))),
                (at("2026-04-03T13:15:00Z"), Some(at("2026-04-04T13:15:00Z"))),
                (at("2026-04-03T14:00:00Z"), Some(at("2026-04-04T14:15:00Z"))),
            ]
        );
    }

    #[test]
    fn slices_leave_no_gap() {
        let groups = vec![
            Group::TimePart(TimePart::HourOfDay),
            Group::TimePart(TimePart::DayOfWeek),
        ];
        for zone in [
            "UTC",
            "Europe/Berlin",
            "Asia/Kolkata",
            "Australia/Lord_Howe",
            "America/St_Johns",
        ] {
            for comparison in [Comparison::PreviousPeriod, Comparison::PreviousYear] {
                let span = between("2026-03-01T05:30:00Z", "2026-11-03T17:15:00Z");
                let times = Times::of(
                    &question(span, zone, groups.clone(), comparison),
                    at("2026-12-01T00:00:00Z"),
                );
                let times = times.expect("a period");
                for era in [Some(&times.now), times.before.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    assert!(
                        era.slices.windows(2).all(|pair| pair[0].to == pair[1].from),
                        "{zone}"
                    );
                    assert!(
                        era.slices.iter().all(|slice| slice.from < slice.to),
                        "{zone}"
                    );
                }
                assert_eq!(times.now.slices[0].from, at("2026-03-01T05:30:00Z"));
            }
        }
    }

    #[test]
    fn too_many_buckets_and_impossible_periods_are_refused() {
        let refused = |span, groups| {
            let query = question(span, "UTC", groups, Comparison::PreviousPeriod);
            Times::of(&query, at("2026-11-23T14:05:00Z"))
                .expect_err("refused")
                .code()
        };
        let hours = || vec![Group::Time(Grain::Hour)];
        assert_eq!(
            refused(
                between("2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
                hours()
            ),
            Code::LimitExceeded
        );
        assert_eq!(
            refused(
                between("1800-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
                vec![]
            ),
            Code::InvalidInput
        );
        assert_eq!(
            refused(
                between("2026-01-01T00:00:00.5Z", "2026-01-02T00:00:00Z"),
                vec![]
            ),
            Code::NotExact
        );
        assert_eq!(
            refused(
                between("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
                vec![]
            ),
            Code::InvalidInput
        );
    }
}
