//! What says that a closed month does not hold an identity: a binary fuse filter (Graf and Lemire, 2022), nine bits an
//! identity, which says "maybe" for one in 256 that are not there and never "no" for one that is.

use uuid::Uuid;
use xorf::{BinaryFuse8, Descriptor, DmaSerializable as _, Filter as _};

use crate::{Error, Result};

/// Identities that a month may hold.
#[derive(Debug)]
pub(super) struct Filter(BinaryFuse8);

impl Filter {
    /// Of the stored bytes and of what they mean. A filter that is read otherwise than it was written says "no" of what
    /// is there, so a library that does either differently gets another number.
    pub(super) const FORMAT: i16 = 1;

    /// # Errors
    /// `INTERNAL` when the library finds no filter, or one that forgets an identity.
    pub(super) fn of(identities: &[Uuid]) -> Result<Self> {
        let mut keys: Vec<u64> = identities.iter().map(|identity| key(*identity)).collect();
        keys.sort_unstable();
        keys.dedup();
        let filter = BinaryFuse8::try_from(&keys).map_err(Error::internal)?;
        if keys.iter().all(|key| filter.contains(key)) {
            Ok(Self(filter))
        } else {
            Err(Error::internal("a filter forgot an identity"))
        }
    }

    pub(super) fn may_hold(&self, identity: Uuid) -> bool {
        self.0.contains(&key(identity))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; BinaryFuse8::DESCRIPTOR_LEN];
        self.0.dma_copy_descriptor_to(&mut bytes);
        bytes.extend_from_slice(self.0.dma_fingerprints());
        bytes
    }

    /// None when these are not the bytes of a filter.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seed, rest) = bytes.split_first_chunk()?;
        let (segment_length, rest) = rest.split_first_chunk()?;
        let (segment_length_mask, rest) = rest.split_first_chunk()?;
        let (segment_count_length, fingerprints) = rest.split_first_chunk()?;
        let descriptor = Descriptor {
            seed: u64::from_le_bytes(*seed),
            segment_length: u32::from_le_bytes(*segment_length),
            segment_length_mask: u32::from_le_bytes(*segment_length_mask),
            segment_count_length: u32::from_le_bytes(*segment_count_length),
        };
        // A look-up reads three places, of which the last lies within two segments of the others.
        let length =
            u64::from(descriptor.segment_count_length) + 2 * u64::from(descriptor.segment_length);
        let whole = fingerprints.len() as u64 == length
            && descriptor.segment_length.is_power_of_two()
            && descriptor.segment_length_mask == descriptor.segment_length - 1;
        whole.then(|| {
            Self(BinaryFuse8 {
                descriptor,
                fingerprints: fingerprints.into(),
            })
        })
    }
}

/// The lower half of an identity: all of it is hash.
fn key(identity: Uuid) -> u64 {
    identity.as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::TenantId, journal::identity};

    /// Of the identities 0 to 11.
    const STORED: &[u8] =
        b"\xc1\x5c\x02\x89\xec\x2d\x0a\x91\x10\x00\x00\x00\x0f\x00\x00\x00\x10\x00\x00\x00\
          \x00\x00\x00\x00\x00\x00\x00\x00\x76\xec\x00\x00\x97\x00\x00\x88\x00\x00\x00\x00\
          \xf6\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00\x00\x00\xed\x00\x00\x22\xff\x00\x00\
          \x00\xc4\x00\x00\x00\x9d\x0a\x00";

    fn identities(from: u32, to: u32) -> Vec<Uuid> {
        let tenant = TenantId::new(Uuid::from_u128(7));
        let id = |n: u32| identity(tenant, "pgw-1", &n.to_string());
        (from..to).map(id).collect()
    }

    #[test]
    fn a_filter_of_any_size_knows_all_it_was_made_of_and_little_else() {
        let strangers = identities(1_000_000, 1_020_000);
        for size in (0..300).chain([1_000, 4_095, 30_000]) {
            let known = identities(0, size);
            let filter = Filter::of(&known).expect("a filter");
            let stored = Filter::from_bytes(&filter.to_bytes()).expect("a filter");
            assert!(known.iter().all(|id| stored.may_hold(*id)), "{size}");
            let maybe = strangers.iter().filter(|id| stored.may_hold(**id)).count();
            assert!((30..200).contains(&maybe), "{size}: {maybe} of 20,000");
        }
    }

    #[test]
    fn a_stored_filter_is_read_by_newer_programs() {
        // When this fails the library has changed: raise the format, and every program makes filters of its own.
        let stored = Filter::from_bytes(STORED).expect("a filter");
        assert!(identities(0, 12).iter().all(|id| stored.may_hold(*id)));
        let strangers = identities(1_000, 2_000);
        assert!(strangers.iter().filter(|id| stored.may_hold(**id)).count() < 20);
    }

    #[test]
    fn bytes_of_something_else_are_no_filter() {
        let bytes = Filter::of(&identities(0, 100))
            .expect("a filter")
            .to_bytes();
        for end in [0, 7, 19, 20, bytes.len() - 1] {
            assert!(Filter::from_bytes(&bytes[..end]).is_none(), "{end}");
        }
        assert!(Filter::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
        assert!(Filter::from_bytes(&[0xff; 64]).is_none());
    }
}
