//! A made-up fleet with two tenants, its usage over two years and a bit, and what it is now.

use std::collections::{BTreeMap, HashMap};

use analytics::{
    CdrRow, SessionRow,
    cube::{Cube, Level},
    network::Network,
    usage::{Carried, Condition, DeviceFilter, Dimension, Filter, Need, SimFilter},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    device::DeviceCondition,
    id::{CustomerId, DeviceId, SavedFilterId, SimId, TenantId},
    identifier::Plmn,
    label::LabelFilter,
    saved_filter::Clause,
    sim::{SimCondition, SimState},
};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{apply, at, batch, record},
    oracle::{COUNTRIES, World},
    session::{self, correction, rollup},
};

pub(crate) const CUSTOMERS: u32 = 4;
pub(crate) const SIMS: u32 = 40;
/// Words that a statement must not take for something else.
const WORDS: [&str; 11] = [
    "gold",
    "silver",
    "",
    "it's",
    "\\",
    "\\'",
    "'); DROP TABLE cdr; --",
    "{p0:UUID}",
    "a\n\tb?",
    "größe",
    "=",
];
/// Around these a lot happens: clocks are set, years and short months end, and the questions' present.
pub(crate) const HOT: [&str; 18] = [
    "2027-03-28T00:30:00Z",
    "2027-10-31T00:30:00Z",
    "2027-12-31T23:00:00Z",
    "2028-02-29T12:00:00Z",
    "2028-03-12T07:00:00Z",
    "2028-03-25T22:00:00Z",
    "2028-04-01T15:00:00Z",
    "2028-05-31T18:00:00Z",
    "2028-09-30T15:30:00Z",
    "2028-10-28T21:00:00Z",
    "2028-10-29T01:00:00Z",
    "2028-11-05T06:00:00Z",
    "2028-12-31T12:00:00Z",
    "2029-02-28T12:00:00Z",
    "2029-03-11T07:00:00Z",
    "2029-03-15T02:00:00Z",
    "2029-03-24T22:00:00Z",
    "2029-03-31T12:00:00Z",
];

pub(crate) fn id(n: u32) -> Uuid {
    // Both halves count, so that an order by halves would show.
    Uuid::from_u64_pair(
        u64::from(n.wrapping_mul(2_654_435_761)),
        u64::from(n % 7) << 32 | u64::from(n) | 1,
    )
}

/// A fixed scramble, so that no column follows another.
fn mix(n: u32, salt: u32) -> u32 {
    (n.wrapping_mul(747_796_405)
        .wrapping_add(salt)
        .wrapping_mul(2_891_336_453))
        >> 8
}

/// The fleet of two tenants. Every value is present, some records are corrected, and the second tenant stops early.
pub(crate) fn world(tenants: [TenantId; 2]) -> World {
    World::new(rows(tenants), rollups(tenants), words())
}

/// A moment of so many seconds after another.
fn within(from: DateTime<Utc>, seconds: u32, n: u32) -> DateTime<Utc> {
    from + TimeDelta::seconds(i64::from(mix(n, 1) % seconds))
        + TimeDelta::milliseconds([0, 0, 999, 250][n as usize % 4])
}

/// A moment around which a lot happens.
fn near(n: u32, salt: u32) -> DateTime<Utc> {
    let hot = HOT[mix(n, salt) as usize % HOT.len()];
    within(at(hot) - TimeDelta::hours(30), 60 * 3_600, n)
}

fn moment(n: u32) -> DateTime<Utc> {
    if mix(n, 12) % 5 < 2 {
        return within(at("2027-01-20T00:00:00Z"), 800 * 86_400, n);
    }
    near(n, 13)
}

fn rows(tenants: [TenantId; 2]) -> Vec<CdrRow> {
    let batch = batch();
    let mut rows: Vec<CdrRow> = (0..10_000_u32)
        .map(|n| {
            let start = moment(n);
            let is_late = start > at("2028-11-20T00:00:00Z");
            let tenant = tenants[usize::from(!is_late && mix(n, 2).is_multiple_of(3))];
            let mut row = record(tenant, batch, n, start);
            row.customer =
                (!mix(n, 3).is_multiple_of(4)).then(|| CustomerId::new(id(mix(n, 3) % CUSTOMERS)));
            row.sim = SimId::new(id(mix(n, 4) % SIMS));
            row.device =
                (!mix(n, 5).is_multiple_of(3)).then(|| DeviceId::new(id(100 + mix(n, 4) % SIMS)));
            row.network =
                ["262-02", "262-01", "238-02", "901-99", ""][(mix(n, 6) % 5) as usize].into();
            row.rat = ["LTE", "NR", "it's \\ odd"][(mix(n, 7) % 3) as usize].into();
            row.service = ["DATA", "DATA", "SMS", "VOICE"][(mix(n, 8) % 4) as usize].into();
            row.source = ["a", "b"][(mix(n, 9) % 2) as usize].into();
            row.bytes_up = u64::MAX - u64::from(mix(n, 10));
            row.bytes_down = u64::from(mix(n, 11));
            row.units = u64::from(mix(n, 14) % 90);
            row
        })
        .collect();
    // Every seventh record is taken back.
    let corrections: Vec<CdrRow> = rows
        .iter()
        .step_by(7)
        .map(|row| CdrRow {
            sign: -1,
            record_id: format!("{}-", row.record_id),
            ..row.clone()
        })
        .collect();
    rows.extend(corrections);
    rows
}

/// Rollups of sessions of the same fleet. Some were counted as something else before, and some were taken back.
fn rollups(tenants: [TenantId; 2]) -> Vec<SessionRow> {
    let batch = batch();
    let mut rows: Vec<SessionRow> = (0..6_000_u32)
        .map(|n| {
            let event_at = if mix(n, 112) % 5 < 2 {
                // Few days, as each is a partition.
                let day = TimeDelta::days(i64::from(mix(n, 113) % 30) * 25);
                within(at("2027-01-25T00:00:00Z") + day, 86_400, n)
            } else {
                near(n, 115)
            };
            let is_late = event_at > at("2028-11-20T00:00:00Z");
            let tenant = tenants[usize::from(!is_late && mix(n, 102).is_multiple_of(3))];
            SessionRow {
                customer: (!mix(n, 103).is_multiple_of(4))
                    .then(|| CustomerId::new(id(mix(n, 103) % CUSTOMERS))),
                sim: SimId::new(id(mix(n, 104) % SIMS)),
                device: (!mix(n, 105).is_multiple_of(3))
                    .then(|| DeviceId::new(id(100 + mix(n, 104) % SIMS))),
                network: ["262-02", "262-01", "238-02", "901-99", ""][(mix(n, 106) % 5) as usize]
                    .into(),
                rat: ["LTE", "NR", "it's \\ odd"][(mix(n, 107) % 3) as usize].into(),
                bytes_up: u64::MAX - u64::from(mix(n, 110)),
                bytes_down: mix(n, 111).into(),
                sessions: u8::from(mix(n, 108).is_multiple_of(4)),
                resets: u8::from(mix(n, 109).is_multiple_of(5)),
                ..rollup(tenant, batch, event_at)
            }
        })
        .collect();
    let again = rows.iter().step_by(7);
    let mut corrections: Vec<SessionRow> = again
        .flat_map(|row| correction(row, batch, row.bytes_up / 3))
        .collect();
    // What is gone is taken back as it was counted.
    let gone = rows.iter().enumerate().skip(3).step_by(11);
    let gone = gone.filter(|(place, _)| !place.is_multiple_of(7));
    corrections.extend(gone.map(|(_, row)| correction(row, batch, 0)[0].clone()));
    rows.extend(corrections);
    rows
}

/// What SIMs and devices are now: not all are known, and not what they were at the time of use.
fn words() -> HashMap<Need, BTreeMap<Uuid, String>> {
    // Some SIMs have none, and of some it is hidden.
    let ids = |numbers: std::ops::Range<u32>| -> Vec<String> {
        let words = numbers.map(|n| id(n).to_string());
        let others = ["", "", Carried::HIDDEN, Carried::HIDDEN];
        words.chain(others.map(str::to_owned)).collect()
    };
    let mut words = HashMap::from([
        (Need::SimState, some(0, 20, &["ACTIVE", "SUSPENDED"])),
        (Need::SimCustomer, some(0, 30, &ids(1..1 + CUSTOMERS))),
        (Need::SimDevice, some(0, 40, &ids(90..120))),
        (Need::SimLabel("tier".into()), some(0, 50, &WORDS[..2])),
        (Need::SimLabel("odd".into()), some(0, 60, &WORDS)),
        (Need::DeviceLabel("odd".into()), some(100, 70, &WORDS)),
        (Need::Visible(Dimension::Sim), some(0, 80, &[""])),
        (Need::Visible(Dimension::Device), some(100, 90, &[""])),
    ]);
    for (filter, of, accepted) in matching() {
        let known = words[&of].iter();
        let matching = known.filter(|(_, word)| accepted.contains(&word.as_str()));
        let matching = matching.map(|(id, _)| (*id, String::new())).collect();
        words.insert(filter, matching);
    }
    words
}

/// Filters of the inventory, and the words by which they are met.
fn matching() -> [(Need, Need, &'static [&'static str]); 4] {
    let label = |key: &str, values: &[&str]| LabelFilter {
        key: key.into(),
        values: Some(values.iter().map(|value| (*value).into()).collect()),
    };
    let sims = |condition: SimCondition| Need::Sims(SimFilter::Is(condition.into()));
    let devices = |condition: DeviceCondition| Need::Devices(DeviceFilter::Is(condition.into()));
    [
        (
            sims(SimCondition::States(vec![SimState::Active])),
            Need::SimState,
            &["ACTIVE"],
        ),
        (
            sims(SimCondition::Label(label("tier", &["gold"]))),
            Need::SimLabel("tier".into()),
            &["gold"],
        ),
        (
            devices(DeviceCondition::Label(label("odd", &WORDS[..5]))),
            Need::DeviceLabel("odd".into()),
            &WORDS[..5],
        ),
        // What is saved is known by its id alone.
        (
            Need::Sims(SimFilter::Is(Clause::Saved(SavedFilterId::new(id(1))))),
            Need::SimLabel("odd".into()),
            &WORDS[3..],
        ),
    ]
}

/// Filters of usage by what SIMs and devices are now.
pub(crate) fn inventory_filters() -> Vec<Filter> {
    let needs = matching().into_iter().map(|(need, ..)| need);
    let filters = needs.map(|need| match need {
        Need::Sims(filter) => Condition::Sim(filter).into(),
        Need::Devices(filter) => Condition::Device(filter).into(),
        other => panic!("{other:?} is no filter"),
    });
    filters.collect()
}

/// Words of three quarters of the ids from this one on.
fn some(first: u32, salt: u32, words: &[impl AsRef<str>]) -> BTreeMap<Uuid, String> {
    let known = (0..SIMS).filter(|n| !mix(*n, salt).is_multiple_of(4));
    let word = |n| words[mix(n, salt + 1) as usize % words.len()].as_ref();
    known.map(|n| (id(first + n), word(n).to_owned())).collect()
}

fn network((plmn, country): (&str, &str)) -> Network {
    Network {
        plmn: Plmn::parse(plmn).expect("a network"),
        name: plmn.into(),
        operator: String::new(),
        country_code: country.into(),
        country: country.into(),
    }
}

/// Networks of the fleet, one of them of no country.
pub(crate) fn networks() -> Vec<Network> {
    let networks = COUNTRIES.into_iter().chain([("901-99", "")]);
    networks.map(network).collect()
}

/// Loads all of it.
pub(crate) async fn load(db: &Db, world: &World) {
    let networks = networks();
    assert_eq!(db.load_networks(&networks).await.expect("networks"), 4);
    let again = db.load_networks(&networks).await;
    assert_eq!(again.expect("networks again"), 0);
    // The years are fixed, as their leap days and Sundays matter; records expire by the engine's own clock.
    db.run("SYSTEM STOP TTL MERGES cdr").await;
    db.run("SYSTEM STOP TTL MERGES session_log").await;
    let mut rollups = world.rollups.clone();
    // A block may not span too many days.
    rollups.sort_by_key(|row| row.event_at);
    for rows in rollups.chunks(900) {
        let batch = batch();
        let rows = rows.iter().map(|row| SessionRow {
            batch,
            ..row.clone()
        });
        session::apply(db, &rows.collect::<Vec<_>>()).await;
    }
    for rows in world.rows.chunks(700) {
        apply(db, batch(), rows).await;
    }
    // Cells that were counted by mistake and taken back since.
    for table in Level::ALL.map(|level| Cube::Full(level).table()) {
        for sql in [
            "'gone' AS source) FROM {table} LIMIT 100",
            "-bytes_up AS bytes_up, -bytes_down AS bytes_down, -units AS units, -records AS records) FROM {table} \
             WHERE source = 'gone'",
        ] {
            let sql = sql.replace("{table}", table);
            db.run(&format!("INSERT INTO {table} SELECT * REPLACE ({sql}"))
                .await;
        }
    }
}
