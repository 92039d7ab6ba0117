//! What makes two deliveries the same record, and what makes them the same content.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::id::{SimId, TenantId};

/// Identity of a record: where it lies in the index, in four bytes, and 96 bits of SHA-256 over tenant, `source`, a zero
/// byte and `record_id`. A tenant is sixteen bytes and neither text contains a zero byte, so no two records share their
/// input.
///
/// The first four bytes are the first eight characters of the record's own id as hexadecimal digits. Vendors count their
/// records or begin ids with the time, so records that come together lie together, and the index is written where it is
/// warm. Ids that begin at random, or all alike, lose nothing but that.
pub fn identity(tenant: TenantId, source: &str, record_id: &str) -> Uuid {
    let digest = Sha256::new()
        .chain_update(tenant.uuid())
        .chain_update(source)
        .chain_update([0])
        .chain_update(record_id)
        .finalize();
    let mut bytes = [0; 16];
    let (place, hash) = bytes.split_at_mut(4);
    for (to, pair) in place.iter_mut().zip(record_id.as_bytes().chunks(2)) {
        *to = digit(pair[0]) << 4 | pair.get(1).map_or(0, |byte| digit(*byte));
    }
    for (to, from) in hash.iter_mut().zip(&digest) {
        *to = *from;
    }
    Uuid::from_bytes(bytes)
}

/// The value of a hexadecimal digit in either case; four bits of anything else.
fn digit(byte: u8) -> u8 {
    // Bit 6 tells letters from digits, and 'A' and 'a' end in 1.
    ((byte & 0x0f) + 9 * (byte >> 6)) & 0x0f
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

    /// 64 bits of SHA-256 over the fields, each text with its length in front. Two contents are only ever compared when
    /// they claim one identity, so 64 bits are enough.
    pub fn hash(&self) -> i64 {
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
        let mut leading = [0; 8];
        for (to, from) in leading.iter_mut().zip(hasher.finalize()) {
            *to = from;
        }
        i64::from_be_bytes(leading)
    }
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

    fn tenant(n: u128) -> TenantId {
        TenantId::new(Uuid::from_u128(n))
    }

    #[test]
    fn the_same_id_of_another_source_or_tenant_is_another_record() {
        let one = identity(tenant(7), "a", "1");
        assert_eq!(one, identity(tenant(7), "a", "1"));
        assert_ne!(one, identity(tenant(7), "b", "1"));
        assert_ne!(one, identity(tenant(8), "a", "1"));
        assert_ne!(
            identity(tenant(7), "ab", "c"),
            identity(tenant(7), "a", "bc")
        );
    }

    #[test]
    fn ids_that_follow_each_other_lie_together() {
        let place = |record_id| identity(tenant(7), "a", record_id).as_u128() >> 96;
        let ids = ["2154000123", "2154000124", "2154000199", "2154000200"];
        assert_eq!(
            ids.map(place),
            [0x2154_0001, 0x2154_0001, 0x2154_0001, 0x2154_0002]
        );
        assert_eq!(place("0192f3A4-7"), 0x0192_f3a4);
        assert_eq!((place(""), place("1")), (0, 0x1000_0000));
        assert_eq!(place("a\u{e9}bcdefgh"), place("a\u{e9}bcdef"));
    }

    #[test]
    fn stored_hashes_stay_what_they_are() {
        // Changing either number turns every stored identity into a stranger: add a version instead.
        assert_eq!(
            identity(tenant(7), "pgw-1", "2154000123").to_string(),
            "21540001-46d9-0866-0677-d4d16a6a16b0"
        );
        assert_eq!(
            content().hash(),
            i64::from_be_bytes([0xf7, 0x51, 0xe3, 0x70, 0x8e, 0x8e, 0x63, 0x84])
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
