//! A rollup, and what makes two deliveries the same one.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use strum::{AsRefStr, EnumString};
use uuid::Uuid;

use super::Reading;
use crate::{
    id::{SimId, TenantId},
    identifier::{Iccid, Plmn},
    radio_access::RadioAccess,
};

/// Whether a session goes on after a rollup. The words are those of the event.
#[derive(AsRefStr, EnumString, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Request {
    /// It goes on.
    Update,
    /// It ended.
    Terminate,
}

/// What a session had used when it was made: the ten values of the event, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// The session's id, as the network gave it; it is unique for its SIM only.
    pub session_id: String,
    /// The card, as sent.
    pub iccid: Iccid,
    /// When it was made, whole milliseconds.
    pub event_at: DateTime<Utc>,
    /// The network that the SIM was in.
    pub network: Plmn,
    /// How it was connected.
    pub radio_access: RadioAccess,
    /// The SIM's address.
    pub ip: IpAddr,
    /// Bytes from the device since the session began.
    pub bytes_in: u64,
    /// Bytes to the device since then.
    pub bytes_out: u64,
    /// Whether the session goes on.
    pub request: Request,
    /// The cell. It is part of the identity, and kept nowhere.
    pub cell_id: String,
}

impl Rollup {
    /// First byte of the hashed text. Another set of values gets another version.
    const VERSION: u8 = 1;

    /// What makes it itself: 128 bits of SHA-256 over its tenant and its values, each text with its length in front. Two rollups that differ
    /// in any value are two, so there is no conflict between them. Its card is the SIM that it was found to be, so that an ICCID with and
    /// without its check digit is one; how it was connected is the text as sent, whatever a table of words makes of it.
    pub fn identity(&self, tenant: TenantId, sim: SimId) -> Uuid {
        let mut hasher = Sha256::new_with_prefix([Self::VERSION]);
        hasher.update(tenant.uuid().as_bytes());
        hasher.update(sim.uuid().as_bytes());
        let ip = self.ip.to_string();
        let texts = [
            self.session_id.as_str(),
            self.network.as_str(),
            self.radio_access.as_sent(),
            &ip,
            self.request.as_ref(),
            &self.cell_id,
        ];
        for text in texts {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        hasher.update(self.event_at.timestamp_millis().to_be_bytes());
        for counter in [self.bytes_in, self.bytes_out] {
            hasher.update(counter.to_be_bytes());
        }
        first_half(hasher)
    }

    /// What decides its place in its session and what it counts there.
    pub fn reading(&self, identity: Uuid) -> Reading {
        Reading {
            event_at: self.event_at,
            request: self.request,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            identity,
        }
    }
}

/// What a session is known by: 128 bits of SHA-256 over its SIM and its id.
pub fn session_key(sim: SimId, session_id: &str) -> Uuid {
    const VERSION: u8 = 1;
    let mut hasher = Sha256::new_with_prefix([VERSION]);
    hasher.update(sim.uuid().as_bytes());
    hasher.update(session_id);
    first_half(hasher)
}

fn first_half(hasher: Sha256) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hasher.finalize()) {
        *to = from;
    }
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn rollup() -> Rollup {
        Rollup {
            session_id: "s-1".into(),
            iccid: Iccid::parse("8988303000000123456").expect("19 digits"),
            event_at: DateTime::UNIX_EPOCH,
            network: Plmn::parse("262-02").expect("a network"),
            radio_access: RadioAccess::new("6"),
            ip: "10.0.0.1".parse().expect("an address"),
            bytes_in: 1,
            bytes_out: 2,
            request: Request::Update,
            cell_id: "c".into(),
        }
    }

    fn of(rollup: &Rollup) -> Uuid {
        rollup.identity(TenantId::new(Uuid::from_u128(7)), sim(8))
    }

    fn sim(n: u128) -> SimId {
        SimId::new(Uuid::from_u128(n))
    }

    #[test]
    fn stored_hashes_stay_what_they_are() {
        assert_eq!(
            of(&rollup()).to_string(),
            "1b50eb24-ab95-e97e-1736-8fd892da778e"
        );
        assert_eq!(
            session_key(sim(8), "s-1").to_string(),
            "d618d6bc-b15e-828a-6fb5-0457b70ccebf"
        );
    }

    #[test]
    fn every_value_makes_another_rollup() {
        let changes: [fn(&mut Rollup); 9] = [
            |it| it.session_id = "s-2".into(),
            |it| it.event_at += chrono::TimeDelta::milliseconds(1),
            |it| it.network = Plmn::parse("262-002").expect("a network"),
            |it| it.radio_access = RadioAccess::new("LTE"),
            |it| it.ip = "10.0.0.2".parse().expect("an address"),
            |it| it.bytes_in = 2,
            |it| it.bytes_out = 1,
            |it| it.request = Request::Terminate,
            |it| it.cell_id = String::new(),
        ];
        let mut seen = HashSet::from([of(&rollup())]);
        for change in changes {
            let mut other = rollup();
            change(&mut other);
            assert!(seen.insert(of(&other)), "{other:?}");
        }
        let tenant = TenantId::new(Uuid::from_u128(9));
        assert!(seen.insert(rollup().identity(tenant, sim(8))));
        assert!(seen.insert(rollup().identity(tenant, sim(9))));
    }

    #[test]
    fn a_card_with_and_without_its_check_digit_is_one() {
        let mut other = rollup();
        other.iccid = Iccid::with_check_digit(other.iccid.as_str()).expect("20 digits");
        assert_eq!(of(&other), of(&rollup()));
    }

    #[test]
    fn sessions_of_two_sims_with_one_id_are_two() {
        let keys = [(8, "s-1"), (9, "s-1"), (8, "s-2")].map(|(n, id)| session_key(sim(n), id));
        assert_eq!(HashSet::from(keys).len(), 3);
    }
}
