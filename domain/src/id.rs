//! Typed identifiers. Every id prints with a prefix that names its kind (`sim_0190f3…`), so an id pasted into
//! the wrong place is refused instead of looked up. The printed form is also the Relay global id.

use std::{fmt, hash::Hash, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio_postgres::types::{FromSql, Type, accepts};
use uuid::Uuid;

use crate::Error;

/// What every identifier can do.
pub(crate) trait Id: Copy + Eq + Hash {
    /// Wraps a stored value.
    fn new(uuid: Uuid) -> Self;
    /// The stored value.
    fn uuid(self) -> Uuid;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Prefix of the printed form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a stored value.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The stored value.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Id for $name {
            fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                Uuid::from_sql(ty, raw).map(Self)
            }

            accepts!(UUID);
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                parse(text, $prefix)
                    .map(Self)
                    .ok_or_else(|| Error::invalid(concat!("not a ", $what, " id: expected ", $prefix, "_…")))
            }
        }
    )*};
}

ids! {
    /// One intake batch: the unit that is journaled, inserted and acknowledged together.
    BatchId = "bat", "batch";
    /// A tenant's customer (sub-customer such as Bosch).
    CustomerId = "cus", "customer";
    /// A device.
    DeviceId = "dev", "device";
    /// A segment grant.
    GrantId = "grt", "grant";
    /// Long work that somebody asked for.
    JobId = "job", "job";
    /// A label definition.
    LabelId = "lab", "label";
    /// A notification.
    NotificationId = "ntf", "notification";
    /// A saved filter.
    SavedFilterId = "fil", "saved filter";
    /// Work that is asked for once and done every month.
    ScheduleId = "sch", "schedule";
    /// A SIM.
    SimId = "sim", "SIM";
    /// A tenant.
    TenantId = "ten", "tenant";
}

fn parse(text: &str, prefix: &str) -> Option<Uuid> {
    let hex = text.strip_prefix(prefix)?.strip_prefix('_')?;
    // Only the printed form is accepted: one object has one id text.
    let printed = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    printed.then(|| Uuid::try_parse(hex).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_and_another_kind_is_refused() {
        let id = SimId::new(Uuid::from_u128(0x0190_f3aa));
        assert_eq!(id.to_string().parse::<SimId>().ok(), Some(id));
        assert!(id.to_string().parse::<DeviceId>().is_err());
        assert!(
            "sim_0190F3AA000000000000000000000000"
                .parse::<SimId>()
                .is_err()
        );
        assert!("sim_\0".parse::<SimId>().is_err());
    }

    #[test]
    fn an_id_is_written_as_it_is_printed() {
        let id = SimId::new(Uuid::from_u128(7));
        let text = serde_json::to_string(&id).expect("JSON");
        assert_eq!(text, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<SimId>(&text).ok(), Some(id));
        assert!(serde_json::from_str::<DeviceId>(&text).is_err());
    }
}
