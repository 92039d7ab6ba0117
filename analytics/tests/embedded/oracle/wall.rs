//! Clocks on the wall: what each of them shows at every quarter of an hour of some years, and everything else found by looking there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use analytics::usage::{CubeQuery, Grain, Group, Key, Preset, TimePart};
use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc,
};
use chrono_tz::Tz;

/// The zones of the tests are set by whole quarters of an hour, at whole ones.
pub(super) const STEP: TimeDelta = TimeDelta::minutes(15);
/// Years that the questions of the tests may touch.
const YEARS: [i32; 2] = [2023, 2034];

/// One clock.
pub(super) struct Wall {
    /// What it shows at every step.
    steps: Vec<(DateTime<Utc>, NaiveDateTime)>,
    /// Buckets whose first moment was looked for before.
    starts: Mutex<HashMap<(Grain, Label), DateTime<Utc>>>,
}

/// What tells a bucket from all others: its first day; the hour, and the offset, as there may be two hours of the same
/// name on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label(NaiveDate, u32, TimeDelta);

impl Wall {
    /// The clock of a zone.
    pub(super) fn of(query: &CubeQuery) -> Arc<Self> {
        static WALLS: OnceLock<Mutex<HashMap<&'static str, Arc<Wall>>>> = OnceLock::new();
        let name = query.time_zone.name();
        let mut walls = WALLS.get_or_init(Mutex::default).lock().expect("no panic");
        let wall = walls
            .entry(name)
            .or_insert_with(|| Arc::new(Self::new(name)));
        Arc::clone(wall)
    }

    fn new(name: &str) -> Self {
        let zone: Tz = name.parse().expect("a zone");
        let [from, to] = YEARS.map(|year| day(year, 1, 1).and_time(NaiveTime::MIN).and_utc());
        let steps = std::iter::successors(Some(from), |moment| Some(*moment + STEP));
        let shown = steps
            .take_while(|moment| *moment < to)
            .map(|moment| (moment, moment.with_timezone(&zone).naive_local()));
        Self {
            steps: shown.collect(),
            starts: Mutex::default(),
        }
    }

    /// All steps from the one around a moment.
    fn since(&self, moment: DateTime<Utc>) -> &[(DateTime<Utc>, NaiveDateTime)] {
        let past = (moment - self.steps[0].0)
            .num_seconds()
            .div_euclid(STEP.num_seconds());
        let place = usize::try_from(past).expect("within the years of the tests");
        &self.steps[place..]
    }

    /// What it shows.
    pub(super) fn shows(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        let (step, shown) = self.since(moment)[0];
        shown + (moment - step)
    }

    /// The first moment at which it shows this.
    pub(super) fn moment(&self, shown: NaiveDateTime) -> Option<DateTime<Utc>> {
        let steps = self.since(shown.and_utc() - TimeDelta::hours(15));
        let around = steps.iter().find(|(_, at)| *at + STEP > shown)?;
        (around.1 <= shown).then(|| around.0 + (shown - around.1))
    }

    /// The first moment at which it shows this or, where it jumped over it, something later.
    pub(super) fn moment_or_next(&self, shown: NaiveDateTime) -> DateTime<Utc> {
        let steps = self.since(shown.and_utc() - TimeDelta::hours(15));
        let (step, at) = steps
            .iter()
            .find(|(_, at)| *at + STEP > shown)
            .expect("a moment");
        *step + (shown - *at).max(TimeDelta::zero())
    }

    /// The first moment of a day.
    pub(super) fn day(&self, date: NaiveDate) -> DateTime<Utc> {
        self.moment_or_next(date.and_time(NaiveTime::MIN))
    }

    /// Whether a day begins.
    pub(super) fn is_midnight(&self, moment: DateTime<Utc>) -> bool {
        self.day(self.shows(moment).date()) == moment
    }

    /// What tells the bucket around a moment from others.
    pub(super) fn label(&self, grain: Grain, moment: DateTime<Utc>) -> Label {
        let shown = self.shows(moment);
        if grain == Grain::Hour {
            return Label(shown.date(), shown.hour(), shown - moment.naive_utc());
        }
        Label(first_day(grain, shown.date()), 0, TimeDelta::zero())
    }

    /// The first moment of the bucket around a moment.
    pub(super) fn start(&self, grain: Grain, moment: DateTime<Utc>) -> DateTime<Utc> {
        let label = self.label(grain, moment);
        let look = || {
            let steps =
                self.since(label.0.and_time(NaiveTime::MIN).and_utc() - TimeDelta::hours(15));
            let first = steps
                .iter()
                .find(|(step, _)| self.label(grain, *step) == label);
            first.expect("it begins").0
        };
        let mut starts = self.starts.lock().expect("no panic");
        *starts.entry((grain, label)).or_insert_with(look)
    }

    /// The first moment after the bucket around a moment.
    pub(super) fn end(&self, grain: Grain, moment: DateTime<Utc>) -> DateTime<Utc> {
        let label = self.label(grain, moment);
        let steps = &self.since(moment)[1..];
        let next = steps
            .iter()
            .find(|(step, _)| self.label(grain, *step) != label);
        next.expect("it ends").0
    }

    /// Key of a group of time; of any other there is none.
    pub(super) fn key(&self, group: &Group, moment: DateTime<Utc>) -> Option<Key> {
        let shown = self.shows(moment);
        let part = |part| match part {
            TimePart::HourOfDay => shown.hour(),
            TimePart::DayOfWeek => shown.weekday() as u32 + 1,
            TimePart::DayOfMonth => shown.day(),
            TimePart::MonthOfYear => shown.month(),
        };
        match group {
            Group::Time(grain) => Some(Key::Moment(self.start(*grain, moment))),
            Group::TimePart(which) => Some(Key::Number(part(*which))),
            _ => None,
        }
    }

    /// A period's first moment and every step in it.
    pub(super) fn steps(
        &self,
        [from, to]: [DateTime<Utc>; 2],
    ) -> impl Iterator<Item = DateTime<Utc>> {
        let steps = self.since(from)[1..].iter().map(|(step, _)| *step);
        std::iter::once(from).chain(steps.take_while(move |step| *step < to))
    }

    /// What a preset means.
    pub(super) fn preset(&self, preset: Preset, now: DateTime<Utc>) -> [DateTime<Utc>; 2] {
        let today = self.shows(now).date();
        let days = |days: u64| {
            [
                self.day(today - Days::new(days - 1)),
                self.day(today + Days::new(1)),
            ]
        };
        // From the first of a month, that many months long.
        let months =
            |from: NaiveDate, months| [self.day(from), self.day(month_after(from, months))];
        let first = |grain| first_day(grain, today);
        match preset {
            Preset::Last24Hours => {
                let end = self.end(Grain::Hour, now);
                [end - TimeDelta::hours(24), end]
            }
            Preset::Last7Days => days(7),
            Preset::Last30Days => days(30),
            Preset::ThisMonth => months(first(Grain::Month), 1),
            Preset::LastMonth => months(month_after(first(Grain::Month), -1), 1),
            Preset::ThisQuarter => months(first(Grain::Quarter), 3),
            Preset::LastQuarter => months(month_after(first(Grain::Quarter), -3), 3),
            Preset::ThisYear => months(first(Grain::Year), 12),
            Preset::LastYear => months(month_after(first(Grain::Year), -12), 12),
        }
    }
}

pub(super) fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a date")
}

/// The first of the month that many months after that of a date.
pub(super) fn month_after(date: NaiveDate, months: i32) -> NaiveDate {
    let month = date.year() * 12 + i32::try_from(date.month0()).expect("at most 11") + months;
    day(
        month.div_euclid(12),
        u32::try_from(month.rem_euclid(12)).expect("at most 11") + 1,
        1,
    )
}

/// The same day that many months later, if there is one.
pub(super) fn date_after(date: NaiveDate, months: i32) -> Option<NaiveDate> {
    month_after(date, months).with_day(date.day())
}

fn first_day(grain: Grain, date: NaiveDate) -> NaiveDate {
    match grain {
        Grain::Hour | Grain::Day => date,
        Grain::Week => date - Days::new(date.weekday() as u64),
        Grain::Month => day(date.year(), date.month(), 1),
        Grain::Quarter => day(
            date.year(),
            [1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10][date.month0() as usize],
            1,
        ),
        Grain::Year => day(date.year(), 1, 1),
    }
}

/// Width of the smallest buckets that the groups of time tell apart.
pub(super) fn finest(query: &CubeQuery) -> Option<Grain> {
    let grains: Vec<Grain> = query
        .group_by
        .iter()
        .filter_map(|group| match group {
            Group::Time(grain) => Some(*grain),
            Group::TimePart(TimePart::HourOfDay) => Some(Grain::Hour),
            Group::TimePart(TimePart::DayOfWeek | TimePart::DayOfMonth) => Some(Grain::Day),
            Group::TimePart(TimePart::MonthOfYear) => Some(Grain::Month),
            _ => None,
        })
        .collect();
    let is_mixed = grains.iter().any(|grain| *grain != Grain::Week);
    match grains.into_iter().min()? {
        // Weeks and months share nothing but days.
        Grain::Week if is_mixed => Some(Grain::Day),
        grain => Some(grain),
    }
}
