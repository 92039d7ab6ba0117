//! What the rich world holds, as a caller may see it: everything about SIM n follows from n, and so does everything else.

use chrono::{DateTime, SecondsFormat, TimeZone as _, Utc};
use domain::Role;
use serde_json::{Value, json};

use super::{Caller, POOL, iccid, rich::prefix, table::Way};

/// Which object of its type a field is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The only one that there is, or all together.
    All,
    /// The SIM or device with this number, 0 to 6.
    Fleet(usize),
    /// Bosch (0), Dyer (1) or the archived one (2).
    Customer(usize),
    /// TDC (0) or Telekom (1).
    Network(usize),
    /// A span of the assignments of the SIM or device: number, place.
    Span(usize, usize),
    /// A usage record: number of its SIM, day of October.
    Record(usize, u32),
    /// The usage records of a day of October.
    Day(u32),
    /// Whatever else is told apart by its place.
    Nth(usize),
}

/// One cell of the table: a caller who came this way to this object.
pub(crate) struct At<'a> {
    pub(crate) caller: Caller,
    pub(crate) way: &'a Way,
    pub(crate) which: Which,
}

impl Caller {
    fn sees_all(self) -> bool {
        matches!(
            self.1,
            Role::PlatformAdmin | Role::TenantAdmin | Role::Support
        )
    }

    /// Numbers of the devices that this caller sees.
    pub(crate) fn devices(self) -> Vec<usize> {
        match self.2 {
            _ if self.sees_all() => (0..7).collect(),
            Some("bosch") => vec![0, 1, 2],
            Some(_) => vec![3, 4],
            None if self == POOL => vec![1, 4],
            None => vec![],
        }
    }

    /// Numbers of the SIMs that this caller sees.
    pub(crate) fn sims(self) -> Vec<usize> {
        match self.2 {
            _ if self.sees_all() => (0..7).collect(),
            Some("bosch") => vec![0, 1, 2],
            _ => vec![],
        }
    }

    /// The customers that this caller sees.
    pub(crate) fn customers(self) -> Vec<usize> {
        match self.2 {
            _ if self.sees_all() => vec![0, 1, 2],
            Some("bosch") => vec![0],
            Some(_) => vec![1],
            None => vec![],
        }
    }

    /// Numbers of the SIMs whose usage this caller sees: of the pool, that of its devices.
    fn used(self) -> Vec<usize> {
        if self == POOL {
            self.devices()
        } else {
            self.sims()
        }
    }

    /// Whether what this document looks up is not there for this caller.
    pub(crate) fn misses(self, document: &str) -> bool {
        let own = self.own();
        let customer = usize::from(self.2 == Some("dyer"));
        let sims = self.sims();
        [
            (["$sim", "$iccid"], sims.contains(&own)),
            (["(id: $device)"; 2], self.devices().contains(&own)),
            (["$customer", "$slug"], self.customers().contains(&customer)),
            // It is on SIMs only.
            (["$label"; 2], !sims.is_empty()),
        ]
        .into_iter()
        .any(|(words, is_seen)| !is_seen && words.iter().any(|word| document.contains(word)))
    }

    /// The number that questions about the caller's own SIM, device or customer are filled with.
    pub(crate) fn own(self) -> usize {
        self.devices().first().copied().unwrap_or(0)
    }
}

/// Whose a SIM is, and its device.
pub(crate) const fn customer_of(n: usize) -> Option<usize> {
    match n {
        0..=2 => Some(0),
        3 | 4 => Some(1),
        _ => None,
    }
}

pub(crate) const fn slug(customer: usize) -> &'static str {
    match customer {
        0 => "bosch",
        1 => "dyer",
        _ => "gone",
    }
}

pub(crate) const fn code(network: usize) -> &'static str {
    if network == 0 { "238-01" } else { "262-01" }
}

fn date(day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, day, 0, 0, 0).unwrap()
}

/// The spans of a SIM or device: whose, since when, until when.
fn spans(n: usize) -> Vec<(usize, Option<u32>, Option<u32>)> {
    match (n, customer_of(n)) {
        (2, _) => vec![
            (0, None, Some(1)),
            (1, Some(1), Some(10)),
            (0, Some(10), None),
        ],
        (_, Some(customer)) => vec![(customer, None, None)],
        (_, None) => vec![],
    }
}

/// Places of the assignments of these SIMs or devices that a caller sees.
pub(crate) fn shown_spans(caller: Caller, numbers: Vec<usize>) -> Vec<Which> {
    let customers = caller.customers();
    let of = |n: usize| {
        let spans = spans(n).into_iter().enumerate();
        spans.map(move |(place, (customer, ..))| (n, place, customer))
    };
    let all = numbers.into_iter().flat_map(of);
    let own = all.filter(|(.., customer)| customers.contains(customer));
    own.map(|(n, place, _)| Which::Span(n, place)).collect()
}

/// All usage records that a caller sees: number of the SIM, day.
pub(crate) fn records(caller: Caller) -> Vec<(usize, u32)> {
    let used = caller.used().into_iter();
    used.flat_map(|n| (1..=3).map(move |day| (n, day)))
        .collect()
}

impl At<'_> {
    pub(crate) fn tenant(&self) -> &'static str {
        self.caller.0
    }

    /// The number of the SIM or device, or the place of what has no number.
    pub(crate) fn n(&self) -> usize {
        match self.which {
            Which::All | Which::Day(_) => 0,
            Which::Fleet(n)
            | Which::Customer(n)
            | Which::Network(n)
            | Which::Span(n, _)
            | Which::Record(n, _)
            | Which::Nth(n) => n,
        }
    }

    pub(crate) fn iccid(&self, n: usize) -> String {
        iccid(prefix(self.tenant()), n)
    }

    pub(crate) fn device(&self, n: usize) -> String {
        format!("{}-device-{n}", self.tenant())
    }

    /// The numbers among `of` that belong to the customer that is asked about; all of them if none is.
    pub(crate) fn among(&self, of: Vec<usize>) -> Vec<usize> {
        let Which::Customer(customer) = self.which else {
            return of;
        };
        let own = of.into_iter();
        own.filter(|n| customer_of(*n) == Some(customer)).collect()
    }

    /// The customer of SIM or device `n`, as far as the caller sees it.
    pub(crate) fn customer(&self, n: usize) -> Option<usize> {
        customer_of(n).filter(|customer| self.caller.customers().contains(customer))
    }

    pub(crate) fn span(&self) -> (usize, Option<String>, Option<String>) {
        let Which::Span(n, place) = self.which else {
            panic!("{:?} is no span", self.which);
        };
        let (customer, from, to) = spans(n)[place];
        let text =
            |day: Option<u32>| day.map(|day| date(day).to_rfc3339_opts(SecondsFormat::Secs, true));
        (customer, text(from), text(to))
    }

    /// The records that an answer about this object adds up.
    pub(crate) fn records(&self) -> Vec<(usize, u32)> {
        let all = records(self.caller).into_iter();
        let of = |(n, day): &(usize, u32)| match self.which {
            Which::Fleet(number) => number == *n,
            Which::Customer(customer) => customer_of(*n) == Some(customer),
            Which::Network(network) => network == network_of(*day),
            Which::Record(number, on) => (number, on) == (*n, *day),
            Which::Day(on) => on == *day,
            _ => true,
        };
        all.filter(of).collect()
    }

    /// A count or a sum, as the contract prints it.
    pub(crate) fn sum(&self, of: fn(u64, u64) -> u64) -> Value {
        let records = self.records().into_iter();
        let sum: u64 = records.map(|(n, day)| of(n as u64 + 1, day.into())).sum();
        json!(sum.to_string())
    }
}

/// Where usage of a day was.
pub(crate) const fn network_of(day: u32) -> usize {
    if day == 1 { 1 } else { 0 }
}

/// Bytes that a record says the device sent.
pub(crate) const fn up(n: u64, _day: u64) -> u64 {
    n * 1_000
}

/// Bytes that the device sent by its session.
pub(crate) const fn session_up(n: u64, day: u64) -> u64 {
    up(n, day) + if day == 2 { n * 100 } else { 0 }
}

/// Bytes that a record says the device received.
pub(crate) const fn down(n: u64, day: u64) -> u64 {
    n * 10_000 + day
}

/// Whether an answer is what was expected: `*` stands for any text, `sim_*` for any that begins so.
pub(crate) fn is(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::String(found), Value::String(expected)) => expected
            .strip_suffix('*')
            .map_or(found == expected, |start| {
                found.len() > start.len() && found.starts_with(start)
            }),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| is(f, e))
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected
                    .iter()
                    .all(|(key, value)| found.get(key).is_some_and(|found| is(found, value)))
        }
        _ => found == expected,
    }
}
