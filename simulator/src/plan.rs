//! What is simulated.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{dice::Dice, fault::Faults, terrain};

/// Most SIMs of one plan.
const MAX_SIMS: u32 = 1_000_000;
/// Most days: the horizon of intake.
const MAX_DAYS: u32 = 364;
/// Most days with sessions: the longest that a tenant keeps their log.
const MAX_SESSION_DAYS: u32 = 90;

/// Who the SIMs belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Eight customers; some SIMs move between them.
    Simulated,
    /// Bosch, Dyer and 3M; one SIM moves.
    Demo,
    /// As simulated, a day at a time and without an end; no SIM moves.
    Live,
}

/// How usage reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Via {
    /// All of it over HTTP.
    #[default]
    Http,
    /// Our own records and rollups through topics of Kafka, what has no topic over HTTP.
    Kafka,
}

/// A simulation, complete: everything that is sent follows from it.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// Slug of the tenant that the token belongs to. ICCIDs depend on it, because they are unique on the platform.
    pub tenant: String,
    /// Which of all possible fleets.
    pub seed: u64,
    /// Number of SIMs (SMT-01).
    pub sims: u32,
    /// Length of the range, up to `until` (SMT-02).
    pub days: u32,
    /// The last days of the range, in which there are sessions, too: networks tell of them in rollups, which a tenant takes
    /// as far back as it keeps their log.
    pub sessions: u32,
    /// How usage travels.
    pub via: Via,
    /// First moment after the range. Records start and end inside it.
    pub until: DateTime<Utc>,
    /// Fewest bytes of a data record, both directions together (SMT-03).
    pub min_bytes: u64,
    /// Most bytes of a data record, both directions together.
    pub max_bytes: u64,
    /// What goes wrong on the way.
    pub faults: Faults,
    /// Records per delivery (SMT-04).
    pub batch: usize,
    /// Records that are sent in a second at most, all together; as fast as it goes without.
    pub per_second: Option<u32>,
    /// Order of sending; the content does not depend on it.
    pub order_seed: u64,
    pub(crate) profile: Profile,
}

impl FleetPlan {
    /// A plan with all faults, 100 B to 50 MB per record, 2,000 records per delivery, sent in the seed's order over HTTP, without
    /// sessions.
    pub fn new(tenant: &str, seed: u64, sims: u32, days: u32, until: DateTime<Utc>) -> Self {
        Self {
            tenant: tenant.to_owned(),
            seed,
            sims,
            days,
            sessions: 0,
            via: Via::Http,
            until,
            min_bytes: 100,
            max_bytes: 50_000_000,
            faults: Faults::all(),
            batch: 2_000,
            per_second: None,
            order_seed: seed,
            profile: Profile::Simulated,
        }
    }

    /// First moment of the range.
    pub fn from(&self) -> DateTime<Utc> {
        self.until - TimeDelta::days(i64::from(self.days))
    }

    /// First moment at which a session may begin; the end of the range when there are none.
    pub fn sessions_from(&self) -> DateTime<Utc> {
        self.until - TimeDelta::days(i64::from(self.sessions))
    }

    /// # Errors
    /// `INVALID_INPUT` when a number is out of its range, when `min_bytes` exceeds `max_bytes`, or when at `now` the
    /// range reaches beyond what intake accepts.
    pub fn check(&self, now: DateTime<Utc>) -> Result<()> {
        let refuse = |message: &str| Err(Error::invalid(message));
        if !(1..=MAX_SIMS).contains(&self.sims) {
            return refuse("a simulation has 1 to 1000000 SIMs");
        }
        if !(1..=MAX_DAYS).contains(&self.days) {
            return refuse("a simulation has 1 to 364 days");
        }
        if self.min_bytes > self.max_bytes {
            return refuse("min bytes is more than max bytes");
        }
        if !(1..=10_000).contains(&self.batch) {
            return refuse("a delivery has 1 to 10000 records");
        }
        if self.sessions > self.days {
            return refuse("there are more days with sessions than days");
        }
        if self.until > now {
            return refuse("the range ends in the future, and usage of the future is refused");
        }
        if self.from() < now - TimeDelta::days(365) {
            return refuse("the range begins more than 365 days ago, and usage so old is refused");
        }
        if self.sessions > 0
            && self.sessions_from() < now - TimeDelta::days(MAX_SESSION_DAYS.into())
        {
            return refuse(
                "sessions begin more than 90 days ago, and no tenant keeps them so long",
            );
        }
        Ok(())
    }

    /// Names everything that decides on the fleet. Faults, batches and order do not.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let until = match self.profile {
            Profile::Simulated => self.until.timestamp_millis(),
            // These stay the same SIMs whenever the demo begins, and from day to day.
            Profile::Demo | Profile::Live => 0,
        };
        self.print(until)
    }

    fn print(&self, until: i64) -> [u8; 32] {
        let text = format!(
            "1|{}|{}|{}|{}|{until}|{}|{}|{:?}",
            self.tenant,
            self.seed,
            self.sims,
            self.days,
            self.min_bytes,
            self.max_bytes,
            self.profile
        );
        Sha256::digest(text).into()
    }

    /// Chance for the fleet: the same for the same plan.
    pub(crate) fn fleet_dice(&self, stream: u64) -> Dice {
        Dice::new(self.fingerprint(), stream)
    }

    /// Chance for what it uses: the same for the same plan, and another one each day of a live one.
    pub(crate) fn dice(&self, stream: u64) -> Dice {
        let print = match self.profile {
            Profile::Live => self.print(self.until.timestamp_millis()),
            Profile::Simulated | Profile::Demo => self.fingerprint(),
        };
        Dice::new(print, stream)
    }

    /// Chance for the order of sending.
    pub(crate) fn order(&self, stream: u64) -> Dice {
        Dice::new(Sha256::digest(self.order_seed.to_be_bytes()).into(), stream)
    }

    /// A few hexadecimal digits that tell this plan's sources from another's.
    fn mark(&self) -> String {
        let until = self.until.format("%Y%m%dT%H");
        let bytes = self.fingerprint();
        match self.profile {
            Profile::Simulated | Profile::Live => format!(
                "{}-{:02x}{:02x}{:02x}",
                self.seed, bytes[0], bytes[1], bytes[2]
            ),
            Profile::Demo => format!("demo-{until}"),
        }
    }

    /// Source of the native records.
    pub(crate) fn gateway(&self) -> String {
        format!("pgw-{}", self.mark())
    }

    /// Name of the Data Streamer stream.
    pub(crate) fn stream(&self) -> String {
        format!("sim-{}", self.mark())
    }

    pub(crate) fn customers(&self) -> &'static [&'static str] {
        match self.profile {
            Profile::Simulated | Profile::Live => &terrain::CUSTOMERS,
            Profile::Demo => &terrain::DEMO_CUSTOMERS,
        }
    }

    /// Whether it is a day of a live plan.
    pub(crate) fn is_live(&self) -> bool {
        self.profile == Profile::Live
    }

    /// The day of a live plan that begins at `from`.
    pub(crate) fn day(&self, from: DateTime<Utc>) -> Self {
        Self {
            days: 1,
            sessions: self.sessions.min(1),
            until: from + TimeDelta::days(1),
            profile: Profile::Live,
            ..self.clone()
        }
    }

    /// Number of a SIM's first record. Ten for each day of a live plan, so that no record of a source has the id of another.
    pub(crate) fn first_number(&self) -> u32 {
        match self.profile {
            Profile::Live => u32::try_from(self.from().timestamp() / 86_400 * 10).unwrap_or(0),
            Profile::Simulated | Profile::Demo => 0,
        }
    }

    /// Records of one SIM and day are fewer than this.
    pub(crate) fn daily(&self) -> u64 {
        match self.profile {
            Profile::Simulated | Profile::Live => 7,
            Profile::Demo => 4,
        }
    }
}

/// The demo fleets of the tenants alpha and beta: together 2,000 SIMs and some 90,000 records of the 30 days before the
/// last full hour. Meant to be run once: a later hour is other usage of the same SIMs.
pub fn demo(now: DateTime<Utc>) -> [FleetPlan; 2] {
    let until = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    [("alpha", 1_300), ("beta", 700)].map(|(tenant, sims)| FleetPlan {
        faults: Faults::default(),
        batch: 5_000,
        profile: Profile::Demo,
        ..FleetPlan::new(tenant, 1, sims, 30, until)
    })
}
