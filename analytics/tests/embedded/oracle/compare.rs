//! The period that a question compares with, and whom its usage stands beside.

use analytics::usage::{Comparison, CubeQuery, Grain, Group, Preset, Span, TimePart};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::wall::{Wall, date_after, month_after};

/// Presets whose end is still to come, and which are compared as far as they have run.
const RUNNING: [Preset; 6] = [
    Preset::Last24Hours,
    Preset::Last7Days,
    Preset::Last30Days,
    Preset::ThisMonth,
    Preset::ThisQuarter,
    Preset::ThisYear,
];

/// The earlier period.
pub(super) struct Earlier {
    pub(super) period: [DateTime<Utc>; 2],
    shift: Shift,
}

#[derive(Clone, Copy)]
enum Shift {
    Duration(TimeDelta),
    Days(u64),
    Months(i32),
}

/// Whom usage of the earlier period stands beside.
pub(super) enum Partner {
    /// All there is: nothing is told apart by time.
    All,
    /// What there is at this moment.
    At(DateTime<Utc>),
}

impl Earlier {
    pub(super) fn of(
        query: &CubeQuery,
        wall: &Wall,
        [from, to]: [DateTime<Utc>; 2],
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let shift = match query.compare_to? {
            Comparison::PreviousYear => Shift::Months(12),
            Comparison::PreviousPeriod => shift(wall, [from, to]),
        };
        let mut end = back(wall, shift, to);
        let meant = match query.period {
            Span::Preset(preset) => Some((preset, now)),
            Span::PresetAt { preset, at } => Some((preset, at)),
            Span::Between { .. } => None,
        };
        if let Some((preset, at)) = meant
            && RUNNING.contains(&preset)
        {
            end = end.min(back(wall, shift, wall.end(Grain::Hour, at)));
        }
        Some(Self {
            period: [back(wall, shift, from), end],
            shift,
        })
    }

    /// Whom the usage of a moment of the earlier period stands beside; nobody where the date or the time of day does not exist in
    /// the period.
    pub(super) fn partner(
        &self,
        query: &CubeQuery,
        wall: &Wall,
        period: [DateTime<Utc>; 2],
        moment: DateTime<Utc>,
    ) -> Option<Partner> {
        let inside = |moment: DateTime<Utc>| period[0] <= moment && moment < period[1];
        if !query.group_by.iter().any(Group::is_time) {
            return Some(Partner::All);
        }
        if let Shift::Duration(duration) = self.shift {
            return Some(moment + duration)
                .filter(|moment| inside(*moment))
                .map(Partner::At);
        }
        let shown = wall.shows(moment);
        let hours = [
            Group::Time(Grain::Hour),
            Group::TimePart(TimePart::HourOfDay),
        ];
        if query.group_by.iter().any(|group| hours.contains(group)) {
            let date = forth(self.shift, shown.date())?;
            let moment = wall.moment(date.and_time(shown.time()))?;
            return Some(moment)
                .filter(|moment| inside(*moment))
                .map(Partner::At);
        }
        // The days of the period that there are usage of.
        let meets = |first: NaiveDate, next: NaiveDate| {
            let [from, to] = [wall.day(first), wall.day(next)];
            (from < to && from < period[1] && period[0] < to).then_some(Partner::At(from))
        };
        if let Shift::Months(months) = self.shift
            && query.group_by.iter().all(is_months_wide)
        {
            let month = month_after(shown.date(), months);
            return meets(month, month_after(month, 1));
        }
        let date = forth(self.shift, shown.date())?;
        meets(date, date + Days::new(1))
    }
}

/// Whether a group tells no days of a month apart.
fn is_months_wide(group: &Group) -> bool {
    match group {
        Group::Time(grain) => matches!(grain, Grain::Month | Grain::Quarter | Grain::Year),
        Group::TimePart(part) => *part == TimePart::MonthOfYear,
        _ => true,
    }
}

fn shift(wall: &Wall, [from, to]: [DateTime<Utc>; 2]) -> Shift {
    let dates = [from, to].map(|moment| wall.shows(moment).date());
    if !wall.is_midnight(from) || !wall.is_midnight(to) {
        return Shift::Duration(to - from);
    }
    if dates[0].day() == 1 && dates[1].day() == 1 {
        let months = (1..1_000).find(|months| month_after(dates[0], *months) == dates[1]);
        return Shift::Months(months.expect("within a life"));
    }
    Shift::Days(u64::try_from((dates[1] - dates[0]).num_days()).expect("later"))
}

/// A bound of the period as one of the earlier period.
fn back(wall: &Wall, shift: Shift, moment: DateTime<Utc>) -> DateTime<Utc> {
    let shown = wall.shows(moment);
    let date = match shift {
        Shift::Duration(duration) => return moment - duration,
        Shift::Days(days) => shown.date() - Days::new(days),
        Shift::Months(months) => match date_after(shown.date(), -months) {
            Some(date) => date,
            None => return wall.day(month_after(shown.date(), 1 - months)),
        },
    };
    if wall.is_midnight(moment) {
        return wall.day(date);
    }
    wall.moment_or_next(NaiveDateTime::new(date, shown.time()))
}

fn forth(shift: Shift, date: NaiveDate) -> Option<NaiveDate> {
    match shift {
        Shift::Duration(_) => None,
        Shift::Days(days) => Some(date + Days::new(days)),
        Shift::Months(months) => date_after(date, months),
    }
}
