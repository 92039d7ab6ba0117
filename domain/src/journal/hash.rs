//! What makes two deliveries the same record, and what makes them the same content.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::id::SimId;

/// Identity of a record within its tenant: 128 bits of SHA-256 over `source`, a zero byte and `record_id`. Neither text
/// contains a zero byte, so no two pairs share their input.
pub fn identity(source: &str, record_id: &str) -> Uuid {
    let digest = Sha256::new()
        .chain_update(source)
        .chain_update([0])
        .chain_update(record_id)
        .finalize();
    leading_128(&digest)
}

/// Where the identity of the record lies in the index: the first eight bytes of its id, as a number. Vendors count their
/// records or begin ids with the time, so records that come together lie together, and the index of a year of usage is
/// written where it is warm. Ids that begin at random lose nothing but that.
pub fn place(record_id: &str) -> i64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(record_id.bytes()) {
        *to = from;
    }
    i64::from_be_bytes(bytes)
}

/// The billing fields of a record, and nothing else: vendors change unrelated fields (a balance, a tag, the order of
/// keys) between two deliveries of one record.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The SIM as resolved, so that an ICCID with and without its check digit is one content.
    pub sim: SimId,
    /// `MCC-MNC`, empty when unknown.
    pub network: &'a str,
    /// Radio access type, empty when unknown.
    pub rat: &'a str,
    /// `DATA`, `SMS` or `VOICE`.
    pub service: &'a str,
    /// Event time, whole milliseconds.
    pub start: DateTime<Utc>,
    /// End, whole milliseconds.
    pub end: DateTime<Utc>,
    /// Bytes from the device.
    pub bytes_up: u64,
    /// Bytes to the device.
    pub bytes_down: u64,
    /// Messages or seconds.
    pub units: u64,
}

impl Content<'_> {
    /// First byte of the hashed text. Another set of fields gets another version; stored hashes keep theirs.
    const VERSION: u8 = 1;

    /// 128 bits of SHA-256 over the fields, each text with its length in front.
    pub fn hash(&self) -> Uuid {
        let mut hasher = Sha256::new_with_prefix([Self::VERSION]);
        hasher.update(self.sim.uuid().as_bytes());
        for text in [self.network, self.rat, self.service] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        for time in [self.start, self.end] {
            hasher.update(time.timestamp_millis().to_be_bytes());
        }
        for amount in [self.bytes_up, self.bytes_down, self.units] {
            hasher.update(amount.to_be_bytes());
        }
        leading_128(&hasher.finalize())
    }
}

fn leading_128(digest: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content<'static> {
        Content {
            sim: SimId::new(Uuid::from_u128(7)),
            network: "262-02",
            rat: "LTE",
            service: "DATA",
            start: DateTime::UNIX_EPOCH,
            end: DateTime::UNIX_EPOCH,
            bytes_up: 1,
            bytes_down: 2,
            units: 0,
        }
    }

    #[test]
    fn the_same_id_of_another_source_is_another_record() {
        assert_ne!(identity("a", "1"), identity("b", "1"));
        assert_ne!(identity("ab", "c"), identity("a", "bc"));
        assert_eq!(identity("a", "1"), identity("a", "1"));
    }

    #[test]
    fn ids_that_follow_each_other_lie_together() {
        let ids = ["2154000123", "2154000124", "2154000199", "2154000200"];
        assert_eq!(ids.map(place)[..3], [place("21540001"); 3]);
        assert_eq!(place("21540001") + 1, place("21540002"));
        assert_eq!((place(""), place("1")), (0, 0x31 << 56));
        assert_eq!(place("a\u{e9}bcdefgh"), place("a\u{e9}bcdef"));
    }

    #[test]
    fn stored_hashes_stay_what_they_are() {
        // Changing either number turns every stored identity into a stranger: add a version instead.
        assert_eq!(
            identity("pgw-1", "42").to_string(),
            "70636650-c904-3a66-cde1-5e01bd8010cf"
        );
        assert_eq!(
            content().hash().to_string(),
            "f751e370-8e8e-6384-d159-9e7ebfa71228"
        );
    }

    #[test]
    fn every_billing_field_counts() {
        let base = content();
        let others = [
            Content {
                sim: SimId::new(Uuid::from_u128(8)),
                ..base
            },
            Content {
                network: "262-2",
                ..base
            },
            Content {
                network: "262-02L",
                rat: "TE",
                ..base
            },
            Content { rat: "NR", ..base },
            Content {
                service: "SMS",
                ..base
            },
            Content {
                start: base.start + chrono::TimeDelta::milliseconds(1),
                ..base
            },
            Content {
                end: base.end + chrono::TimeDelta::milliseconds(1),
                ..base
            },
            Content {
                bytes_up: 2,
                bytes_down: 1,
                ..base
            },
            Content {
                bytes_down: 0,
                units: 2,
                ..base
            },
        ];
        let mut hashes: Vec<_> = others.iter().map(Content::hash).collect();
        hashes.push(base.hash());
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }
}
