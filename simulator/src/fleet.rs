//! The fleet of a plan: JT SIMs with valid check digits, where they live, whom they belong to, and the CSV that says so.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use domain::identifier::Iccid;

use crate::{
    plan::{FleetPlan, Profile},
    terrain::{COUNTRIES, Country, DEVICES},
};

/// Header of the fleet's CSV.
pub(crate) const HEADER: &str = "iccid,imsi,msisdn,state,customer,device,device_kind,labels,device_labels,simulated,valid_from\n";

/// Digits of a JT ICCID before the account number.
const ISSUER: &str = "8944501";

/// One SIM of the fleet.
pub(crate) struct Sim {
    pub(crate) index: u32,
    pub(crate) iccid: String,
    imsi: String,
    msisdn: String,
    state: &'static str,
    pub(crate) country: &'static Country,
    pub(crate) rat: usize,
    /// Customer at first.
    customer: Option<&'static str>,
    /// Since when it belongs to somebody else, and to whom.
    moved: Option<(DateTime<Utc>, Option<&'static str>)>,
    device: Option<(&'static str, String)>,
    /// Of the SIM and of its device.
    labels: String,
}

impl Sim {
    /// SIM number `index` of the plan. It does not depend on the others.
    pub(crate) fn new(plan: &FleetPlan, index: u32) -> Self {
        let mut dice = plan.fleet_dice(u64::from(index) * 2);
        let account = Account::new(plan, index);
        let mut ticket = dice.below(COUNTRIES.iter().map(|country| country.weight).sum());
        let country = COUNTRIES.iter().find(|country| {
            let here = ticket < country.weight;
            ticket = ticket.wrapping_sub(country.weight);
            here
        });
        let customer = (!dice.one_in(8)).then(|| *dice.pick(plan.customers()));
        let state = match dice.below(20) {
            0 => "SUSPENDED",
            1 => "INACTIVE",
            _ => "ACTIVE",
        };
        let device = (!dice.one_in(3)).then(|| {
            let (kind, word) = *dice.pick(&DEVICES);
            (kind, format!("{word}-{}", account.number))
        });
        let location = dice.pick(&["warehouse", "field", "field"]);
        let category = match *location {
            "warehouse" => dice.pick(&["refurbishing", "standby"]),
            _ => &"deployed",
        };
        Self {
            index,
            iccid: account.iccid,
            imsi: format!("23450{}", account.number),
            msisdn: format!("4479{}", account.number),
            state,
            country: country.unwrap_or(&COUNTRIES[0]),
            rat: usize::try_from(dice.below(5)).unwrap_or_default(),
            moved: move_of(plan, index, customer, dice.below(1 << 32)),
            customer,
            device,
            labels: format!("location={location};category={category}"),
        }
    }

    /// Name of the customer that usage at `moment` belongs to; empty is unassigned.
    pub(crate) fn customer_at(&self, moment: DateTime<Utc>) -> &'static str {
        match self.moved {
            Some((since, to)) if moment >= since => to.unwrap_or_default(),
            _ => self.customer.unwrap_or_default(),
        }
    }

    /// Name of the device that it sits in, all the time; empty is none.
    pub(crate) fn device_name(&self) -> &str {
        self.device.as_ref().map_or("", |(_, name)| name)
    }

    /// The ICCID as a stream may send it: with or without the check digit when it has 20 digits.
    pub(crate) fn short_iccid(&self) -> &str {
        self.iccid.get(..19).unwrap_or(&self.iccid)
    }

    /// Its rows of the fleet file, one per assignment.
    pub(crate) fn rows(&self, plan: &FleetPlan, csv: &mut String) {
        let mut row = |customer: Option<&str>, since: Option<DateTime<Utc>>| {
            // A device is where its SIM is.
            let (kind, device, device_labels) =
                self.device.as_ref().map_or(("", "", ""), |(kind, name)| {
                    (*kind, name.as_str(), self.labels.as_str())
                });
            let since = since.map(|since| since.to_rfc3339()).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(
                csv,
                "{},{},{},{},{},{device},{kind},{},{device_labels},true,{since}",
                self.iccid,
                self.imsi,
                self.msisdn,
                self.state,
                customer.unwrap_or_default(),
                self.labels,
            );
        };
        match self.moved {
            None => row(self.customer, None),
            Some((since, to)) => {
                row(self.customer, Some(plan.from() - TimeDelta::days(1)));
                row(to, Some(since));
            }
        }
    }

    /// How many rows that is.
    pub(crate) fn row_count(&self) -> usize {
        1 + usize::from(self.moved.is_some())
    }
}

/// An ICCID that no SIM of any fleet has.
pub(crate) fn unknown_iccid(plan: &FleetPlan, number: u32) -> String {
    Account::with_kind(plan, number, 9).iccid
}

/// Whether and when a SIM changes hands: in a demo the first SIM with a customer, otherwise one in 25.
fn move_of(
    plan: &FleetPlan,
    index: u32,
    customer: Option<&'static str>,
    chance: u64,
) -> Option<(DateTime<Utc>, Option<&'static str>)> {
    let from = customer?;
    let customers = plan.customers();
    let moves = match plan.profile {
        Profile::Simulated => chance.is_multiple_of(25),
        Profile::Demo => index == first_assigned(plan),
        Profile::Live => false,
    };
    if !moves {
        return None;
    }
    // Inside the range, and for a range of one day at noon.
    let hours = i64::from(plan.days) * 24;
    let since = plan.from() + TimeDelta::hours(hours / 2);
    let after = customers
        .iter()
        .position(|name| *name == from)
        .map_or(0, |position| position + 1);
    // One of ten movers belongs to nobody afterwards.
    let to = (plan.profile == Profile::Demo || !(chance / 25).is_multiple_of(10))
        .then(|| customers[after % customers.len()]);
    Some((since, to))
}

/// The first SIM that has a customer: what [`Sim::new`] draws second.
fn first_assigned(plan: &FleetPlan) -> u32 {
    let assigned = |index: &u32| {
        let mut dice = plan.fleet_dice(u64::from(*index) * 2);
        dice.below(COUNTRIES.iter().map(|country| country.weight).sum());
        !dice.one_in(8)
    };
    (0..plan.sims).find(assigned).unwrap_or_default()
}

/// What makes a SIM of this plan different from every other.
struct Account {
    iccid: String,
    /// Ten digits.
    number: String,
}

impl Account {
    /// Every fifth SIM has an ICCID of 20 digits, the others of 19.
    fn new(plan: &FleetPlan, index: u32) -> Self {
        let kind = if index % 5 == 4 { 2 } else { 1 };
        Self::with_kind(plan, index, kind)
    }

    fn with_kind(plan: &FleetPlan, index: u32, kind: u8) -> Self {
        let bytes = plan.fingerprint();
        let plan_digits = u16::from_be_bytes([bytes[30], bytes[31]]) % 10_000;
        let number = format!("{plan_digits:04}{index:06}");
        let long = if kind == 2 { "0" } else { "" };
        let body = format!("{ISSUER}{kind}{number}{long}");
        // Nothing but digits, 18 or 19 of them.
        let iccid = Iccid::with_check_digit(&body).map(|iccid| iccid.as_str().to_owned());
        Self {
            iccid: iccid.unwrap_or(body),
            number,
        }
    }
}
