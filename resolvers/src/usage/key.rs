//! `UsageKey`: what tells a group from the others, with one type for each kind of value.

use std::sync::Arc;

use analytics::usage::{Dimension, Group, Key, TimePart};
use async_graphql::{Context, ID, Object, SimpleObject};
use domain::{
    group,
    id::{CustomerId, DeviceId, SimId},
    sim::SimState,
    usage::Service,
};
use schema::{
    group::KeyStatus,
    scalar::DateTime,
    sim::SimState as SimStateWord,
    usage::{TimePart as TimePartWord, UsageService},
};
use uuid::Uuid;

use crate::{
    customer::Customer,
    device::Device,
    error::IntoGraphql as _,
    loader::{CustomerKey, DeviceKey, NetworkKey, SimKey},
    network::{Network, network_id},
    request::load,
    sim::Sim,
    written::{Selected, Step, Written, leaf, made_if, plain_columns},
};

/// What tells a group from the others: a field for each kind of group. Only what was grouped by can be selected.
pub(crate) struct UsageKey {
    pub(super) groups: Arc<[Group]>,
    pub(super) keys: Vec<Option<Key>>,
    pub(super) others: bool,
}

impl UsageKey {
    fn of(&self, is: impl Fn(&Group) -> bool) -> Option<&Key> {
        let place = self.groups.iter().position(is)?;
        self.keys.get(place)?.as_ref()
    }

    fn dimension(&self, dimension: Dimension) -> Option<&Key> {
        self.of(|group| *group == Group::Dimension(dimension))
    }

    fn bucket(&self) -> Option<DateTime> {
        match self.of(|group| matches!(group, Group::Time(_)))? {
            Key::Moment(moment) => Some((*moment).into()),
            _ => None,
        }
    }

    fn text(&self, dimension: Dimension) -> Option<UsageTextKey> {
        self.dimension(dimension).map(UsageTextKey::of)
    }

    fn by_network(&self) -> Option<UsageNetworkKey> {
        self.text(Dimension::Network).map(UsageNetworkKey)
    }

    fn by_customer(&self, dimension: Dimension) -> Option<UsageCustomerKey> {
        let key = self.dimension(dimension)?;
        Some(UsageCustomerKey(object_of(key, CustomerId::new)))
    }

    fn by_sim(&self) -> Option<UsageSimKey> {
        let key = self.dimension(Dimension::Sim)?;
        Some(UsageSimKey(object_of(key, SimId::new)))
    }

    fn by_device(&self) -> Option<UsageDeviceKey> {
        let key = self.dimension(Dimension::Device)?;
        Some(UsageDeviceKey(object_of(key, DeviceId::new)))
    }
}

/// What a row is grouped by: a field for each group of the question. Selecting any other field but `others` is refused with
/// `INVALID_INPUT`. In a row of all others together these fields are null; with `top`, those of time are not.
#[Object]
impl UsageKey {
    /// True: the row sums up all groups that meet `having` and are not returned.
    async fn others(&self) -> bool {
        self.others
    }

    /// Start of the time bucket. That of the first one may lie before the start of the period.
    async fn time(&self) -> Option<DateTime> {
        self.bucket()
    }

    /// A part of the date or of the time of day, as a number.
    async fn time_part(
        &self,
        #[graphql(desc = "Which part: one that is grouped by.")] part: TimePartWord,
    ) -> Option<i32> {
        let part: TimePart = part.into();
        match self.of(|group| *group == Group::TimePart(part))? {
            Key::Number(number) => i32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Visited network.
    async fn network(&self) -> Option<UsageNetworkKey> {
        self.by_network()
    }

    /// Country of the visited network, ISO 3166-1 alpha-2.
    async fn country(&self) -> Option<UsageTextKey> {
        self.text(Dimension::Country)
    }

    /// Customer at the time of use; that of now with `attribution: CURRENT`.
    async fn customer(&self) -> Option<UsageCustomerKey> {
        self.by_customer(Dimension::Customer)
    }

    /// The SIM.
    async fn sim(&self) -> Option<UsageSimKey> {
        self.by_sim()
    }

    /// Device at the time of use; that of now with `attribution: CURRENT`.
    async fn device(&self) -> Option<UsageDeviceKey> {
        self.by_device()
    }

    /// Radio access type, as the records name it.
    async fn radio_access_type(&self) -> Option<UsageTextKey> {
        self.text(Dimension::RadioAccessType)
    }

    /// Service that was used.
    async fn service(&self) -> async_graphql::Result<Option<UsageServiceKey>> {
        let Some(UsageTextKey { status, value }) = self.text(Dimension::Service) else {
            return Ok(None);
        };
        let unknown = |_| domain::Error::internal("a record of no known service");
        let service = value.map(|word| word.parse::<Service>().map_err(unknown));
        let value = service.transpose().gql()?.map(Into::into);
        Ok(Some(UsageServiceKey { status, value }))
    }

    /// The stream that delivered the records.
    async fn stream(&self) -> Option<UsageTextKey> {
        self.text(Dimension::Stream)
    }

    /// State that the SIM is in now.
    async fn sim_state(&self) -> async_graphql::Result<Option<UsageSimStateKey>> {
        let Some(UsageTextKey { status, value }) = self.text(Dimension::SimState) else {
            return Ok(None);
        };
        let unknown = |_| domain::Error::internal("a SIM in no known state");
        let word = value.map(|word| word.parse::<SimState>().map_err(unknown));
        let value = word.transpose().gql()?.map(Into::into);
        Ok(Some(UsageSimStateKey { status, value }))
    }

    /// Customer that the SIM belongs to now.
    async fn sim_customer_now(&self) -> Option<UsageCustomerKey> {
        self.by_customer(Dimension::SimCustomerNow)
    }

    /// Value of the SIM's label with this key, as it is now.
    async fn sim_label(
        &self,
        #[graphql(desc = "The key: one that is grouped by.")] key: String,
    ) -> Option<UsageTextKey> {
        self.of(|group| matches!(group, Group::SimLabel(its) if *its == key))
            .map(UsageTextKey::of)
    }

    /// Value of the device's label with this key, as it is now.
    async fn device_label(
        &self,
        #[graphql(desc = "The key: one that is grouped by.")] key: String,
    ) -> Option<UsageTextKey> {
        self.of(|group| matches!(group, Group::DeviceLabel(its) if *its == key))
            .map(UsageTextKey::of)
    }
}

impl Written for UsageKey {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "others" => Some(leaf(|key: &Self| key.others)),
            "time" => Some(leaf(Self::bucket)),
            "network" => made_if(field, Self::by_network),
            "country" => made_if(field, |key: &Self| key.text(Dimension::Country)),
            "customer" => made_if(field, |key: &Self| key.by_customer(Dimension::Customer)),
            "sim" => made_if(field, Self::by_sim),
            "device" => made_if(field, Self::by_device),
            "radioAccessType" => made_if(field, |key: &Self| key.text(Dimension::RadioAccessType)),
            "stream" => made_if(field, |key: &Self| key.text(Dimension::Stream)),
            "simCustomerNow" => made_if(field, |key: &Self| {
                key.by_customer(Dimension::SimCustomerNow)
            }),
            _ => None,
        }
    }
}

fn object_of<T>(key: &Key, id: fn(Uuid) -> T) -> group::Key<T> {
    match key {
        Key::Id(uuid) => group::Key::Value(id(*uuid)),
        Key::Hidden => group::Key::Hidden,
        _ => group::Key::Unassigned,
    }
}

/// A group by a text.
#[derive(SimpleObject, Clone)]
pub(crate) struct UsageTextKey {
    /// Whether there is a value, or why there is none.
    status: KeyStatus,
    /// The value; null unless the status is VALUE.
    value: Option<String>,
}

impl UsageTextKey {
    fn of(key: &Key) -> Self {
        let (status, value) = match key {
            Key::Text(text) if !text.is_empty() => {
                (group::KeyStatus::Value.into(), Some(text.clone()))
            }
            Key::None => (group::KeyStatus::Unassigned.into(), None),
            Key::Hidden => (group::KeyStatus::Hidden.into(), None),
            _ => (group::KeyStatus::Unknown.into(), None),
        };
        Self { status, value }
    }
}

plain_columns!(UsageTextKey { status, value });

/// A group by service.
#[derive(SimpleObject)]
pub(crate) struct UsageServiceKey {
    /// Whether there is a value, or why there is none.
    status: KeyStatus,
    /// The service; null unless the status is VALUE.
    value: Option<UsageService>,
}

/// A group by the state of SIMs.
#[derive(SimpleObject)]
pub(crate) struct UsageSimStateKey {
    /// Whether there is a value, or why there is none.
    status: KeyStatus,
    /// The state; null unless the status is VALUE.
    value: Option<SimStateWord>,
}

/// A group by visited network.
pub(crate) struct UsageNetworkKey(UsageTextKey);

/// A group by visited network.
#[Object]
impl UsageNetworkKey {
    /// VALUE, or UNKNOWN where records name no network.
    async fn status(&self) -> KeyStatus {
        self.0.status
    }

    /// Global id of the network.
    async fn id(&self) -> Option<ID> {
        self.global_id()
    }

    /// The network as MCC-MNC.
    async fn code(&self) -> Option<&str> {
        self.plmn()
    }

    /// The network; null when the dictionary does not know it.
    async fn network(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Network>> {
        match self.plmn() {
            Some(code) => load(ctx, NetworkKey(code.to_owned())).await,
            None => Ok(None),
        }
    }
}

impl UsageNetworkKey {
    /// The network with this code; none has an empty one.
    pub(super) fn of(code: &str) -> Self {
        Self(UsageTextKey::of(&Key::Text(code.to_owned())))
    }

    fn global_id(&self) -> Option<ID> {
        self.plmn().map(network_id)
    }

    fn plmn(&self) -> Option<&str> {
        self.0.value.as_deref()
    }
}

impl Written for UsageNetworkKey {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "status" => Some(leaf(|key: &Self| key.0.status)),
            "id" => Some(leaf(Self::global_id)),
            "code" => Some(leaf(|key: &Self| key.plmn().map(str::to_owned))),
            _ => None,
        }
    }
}

/// A group by an object of the inventory: its id, and the object as the caller may see it now.
macro_rules! object_key {
    ($(#[doc = $doc:literal])+ $name:ident of $id:ty, $field:ident: $object:ty = $key:path, $none:literal) => {
        $(#[doc = $doc])+
        pub(crate) struct $name(group::Key<$id>);

        $(#[doc = $doc])+
        #[Object]
        impl $name {
            /// Whether there is one, and whether the caller may see it now.
            async fn status(&self) -> KeyStatus {
                self.key_status()
            }

            /// Its global id; null unless the status is VALUE.
            async fn id(&self) -> Option<ID> {
                self.global_id()
            }

            #[doc = $none]
            async fn $field(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<$object>> {
                match self.0.value() {
                    Some(id) => load(ctx, $key(*id)).await,
                    None => Ok(None),
                }
            }
        }

        impl $name {
            fn key_status(&self) -> KeyStatus {
                self.0.status().into()
            }

            fn global_id(&self) -> Option<ID> {
                self.0.value().map(|id| id.to_string().into())
            }
        }

        impl Written for $name {
            fn step(field: Selected<'_>) -> Option<Step<Self>> {
                match field.name() {
                    "status" => Some(leaf(Self::key_status)),
                    "id" => Some(leaf(Self::global_id)),
                    _ => None,
                }
            }
        }
    };
}

object_key! {
    /// A group by customer.
    UsageCustomerKey of CustomerId, customer: Customer = CustomerKey,
    "The customer; null unless the status is VALUE."
}

object_key! {
    /// A group by SIM.
    UsageSimKey of SimId, sim: Sim = SimKey,
    "The SIM; null unless the status is VALUE."
}

impl UsageSimKey {
    /// A SIM that the caller sees.
    pub(super) const fn of(id: SimId) -> Self {
        Self(group::Key::Value(id))
    }
}

object_key! {
    /// A group by device.
    UsageDeviceKey of DeviceId, device: Device = DeviceKey,
    "The device; null unless the status is VALUE."
}
