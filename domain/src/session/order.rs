//! Where a rollup stands in its session.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Request;

/// What a rollup says that decides its place and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When it was made, whole milliseconds.
    pub event_at: DateTime<Utc>,
    /// Whether the session goes on.
    pub request: Request,
    /// Bytes from the device since the session began (`in` as in Acct-Input-Octets of RFC 2866).
    pub bytes_in: u64,
    /// Bytes to the device since then.
    pub bytes_out: u64,
    /// See [`super::Rollup::identity`].
    pub identity: Uuid,
}

/// The place of a rollup within its session: what is greater is newer. Time comes first; at the same time an end is newer than an update,
/// then more bytes from the device, then more bytes to it; and lastly the identity, so that no two rollups have one place.
///
/// It is one integer of 256 bits, so that any store that compares numbers orders sessions as this program does. Of the identity its first
/// 79 bits are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    high: u128,
    low: u128,
}

impl Order {
    /// Bits of the time, Unix milliseconds; the bit after them is the end.
    const TIME: u32 = 48;
    /// Bits of each counter.
    const COUNTER: u32 = u64::BITS;
    /// Bits of the second counter that the high half has room for.
    const FIRST: u32 = u128::BITS - Self::TIME - 1 - Self::COUNTER;
    /// Bits of it that are left to the low half, which the identity fills.
    const REST: u32 = Self::COUNTER - Self::FIRST;

    /// Big end first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (high, low) = bytes.split_at_mut(16);
        high.copy_from_slice(&self.high.to_be_bytes());
        low.copy_from_slice(&self.low.to_be_bytes());
        bytes
    }
}

impl Reading {
    /// Its place. Times before 1970, which no format takes, are all one.
    pub fn order(&self) -> Order {
        let time = u128::from(u64::try_from(self.event_at.timestamp_millis()).unwrap_or(0));
        let end = u128::from(self.request == Request::Terminate);
        let (bytes_in, bytes_out) = (u128::from(self.bytes_in), u128::from(self.bytes_out));
        let above = Order::COUNTER + Order::FIRST;
        Order {
            high: time << (above + 1)
                | end << above
                | bytes_in << Order::FIRST
                | bytes_out >> Order::REST,
            // What the high half has is shifted out.
            low: bytes_out << (u128::BITS - Order::REST) | self.identity.as_u128() >> Order::REST,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading() -> impl Strategy<Value = Reading> {
        let counter = || prop_oneof![0..3_u64, Just(u64::MAX), any::<u64>()];
        let identity = prop_oneof![any::<u128>(), (0..3_u128).prop_map(|first| first << 126)];
        let time = prop_oneof![0..3_i64, Just(7_258_118_399_999_i64)];
        (time, any::<bool>(), counter(), counter(), identity).prop_map(
            |(ms, ends, bytes_in, bytes_out, identity)| Reading {
                event_at: DateTime::from_timestamp_millis(ms).expect("a time"),
                request: if ends {
                    Request::Terminate
                } else {
                    Request::Update
                },
                bytes_in,
                bytes_out,
                identity: Uuid::from_u128(identity),
            },
        )
    }

    /// The same order, value by value.
    fn plain(of: &Reading) -> (DateTime<Utc>, bool, u64, u64, u128) {
        let ends = of.request == Request::Terminate;
        let first = of.identity.as_u128() >> 49;
        (of.event_at, ends, of.bytes_in, of.bytes_out, first)
    }

    proptest! {
        #[test]
        fn one_number_orders_as_the_values_do_one_after_the_other(a in reading(), b in reading()) {
            let expected = plain(&a).cmp(&plain(&b));
            prop_assert_eq!(a.order().cmp(&b.order()), expected);
            prop_assert_eq!(a.order().to_be_bytes().cmp(&b.order().to_be_bytes()), expected);
        }
    }

    #[test]
    fn stored_versions_stay_what_they_are() {
        let reading = Reading {
            event_at: DateTime::from_timestamp_millis(0x0123_4567_89ab).expect("a time"),
            request: Request::Terminate,
            bytes_in: 0x1111_2222_3333_4444,
            bytes_out: 0x8000_0000_0000_0001,
            identity: Uuid::from_u128(u128::MAX << 49),
        };
        let hex: String = reading
            .order()
            .to_be_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "0123456789ab888891111999a2224000000000000000ffffffffffffffffffff"
        );
    }
}
