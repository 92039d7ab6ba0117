//! What may happen in a fleet, at random: changes of every kind, none of which concerns Bosch, the devices of Dyer or of the
//! pool, or Beta.

use analytics::CdrRow;
use chrono::{TimeDelta, TimeZone as _, Utc};
use domain::{
    Role,
    id::{BatchId, CustomerId, DeviceId, SimId},
    identifier::Iccid,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, World, iccid, rich::prefix};

/// A tenant that nobody watches.
pub(crate) const ELSEWHERE: &str = "tau";

/// Customers to whom SIMs or devices are closed, and nothing else.
pub(crate) const SIMLESS: &str = "simless";
pub(crate) const DEVICELESS: &str = "deviceless";

/// Prefix of the serial numbers of their SIMs.
const CLOSED_PREFIX: &str = "8944509";

/// Customers to whom one area is closed, each with its own SIM.
const CLOSED: [&str; 3] = [SIMLESS, DEVICELESS, "usageless"];

/// Something that happens out of sight: in another tenant, or to what is nobody's or belongs to the customer 3M.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A SIM with device and labels joins a customer, or nobody.
    Sim {
        tenant: &'static str,
        customer: &'static str,
        number: u32,
        label: u8,
    },
    /// A SIM of nobody goes to 3M with its device, or comes back.
    Assignment { customer: &'static str, day: u32 },
    /// One of Dyer's own SIMs changes its state and labels, and that of somebody else to whom SIMs are closed.
    OwnSim { state: &'static str, label: u8 },
    /// Labels of a device of nobody, and of one of somebody to whom devices are closed.
    DeviceLabel { value: u8 },
    /// Usage of a SIM of Dyer's, to whom usage is closed, of nobody or of another tenant.
    Usage {
        tenant: &'static str,
        sim: usize,
        bytes: u32,
        day: u32,
        network: &'static str,
        service: &'static str,
    },
    /// The switches of 3M move.
    Switches { sims: bool, usage: bool },
    /// Somebody is granted what others watch.
    Grant { subject: u8, sim: usize },
    /// The newest grant of somebody is taken back.
    Revoke { subject: u8 },
    /// A customer is new.
    Customer { tenant: &'static str },
    /// The contact of 3M.
    Contact { name: u8 },
    /// 3M is archived, or is served again.
    Archive { archived: bool },
    /// A label is defined that nothing carries.
    Definition { tenant: &'static str },
    /// A filter is saved.
    SavedFilter { tenant: &'static str },
    /// Batches, accounting and rejections.
    Intake { tenant: &'static str },
}

impl Change {
    /// Its kind and, where it matters, its tenant.
    pub(crate) fn kind(&self) -> String {
        let text = format!("{self:?}");
        let kind = text.split(' ').next().unwrap_or_default();
        format!("{kind} in {}", self.tenant())
    }

    pub(crate) fn tenant(&self) -> &'static str {
        match self {
            Self::Sim { tenant, .. }
            | Self::Usage { tenant, .. }
            | Self::Customer { tenant }
            | Self::Definition { tenant }
            | Self::SavedFilter { tenant }
            | Self::Intake { tenant } => tenant,
            _ => "alpha",
        }
    }
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let tenant = || prop_oneof![2 => Just("alpha"), 1 => Just(ELSEWHERE)];
    let customer = || prop_oneof![Just("3M"), Just("")];
    let network = prop_oneof![Just("262-01"), Just("238-01"), Just("240-01")];
    let service = prop_oneof![Just("DATA"), Just("SMS"), Just("VOICE")];
    let usage = (
        tenant(),
        0..3_usize,
        any::<u32>(),
        1..28_u32,
        network,
        service,
    )
        .prop_map(
            |(tenant, sim, bytes, day, network, service)| Change::Usage {
                tenant,
                // Two of nobody's, and the one of Dyer's whose device the pool does not see.
                sim: [3, 5, 6][sim],
                bytes,
                day,
                network,
                service,
            },
        );
    prop_oneof![
        3 => (tenant(), customer(), 0..5_000_u32, any::<u8>()).prop_map(
            |(tenant, customer, number, label)| Change::Sim { tenant, customer, number, label }
        ),
        2 => (customer(), 1..20_u32).prop_map(|(customer, day)| Change::Assignment { customer, day }),
        1 => (prop_oneof![Just("SUSPENDED"), Just("ACTIVE")], any::<u8>())
            .prop_map(|(state, label)| Change::OwnSim { state, label }),
        1 => any::<u8>().prop_map(|value| Change::DeviceLabel { value }),
        4 => usage,
        1 => (any::<bool>(), any::<bool>()).prop_map(|(sims, usage)| Change::Switches { sims, usage }),
        1 => (0..3_u8, 0..7_usize).prop_map(|(subject, sim)| Change::Grant { subject, sim }),
        1 => (0..3_u8).prop_map(|subject| Change::Revoke { subject }),
        1 => tenant().prop_map(|tenant| Change::Customer { tenant }),
        1 => any::<u8>().prop_map(|name| Change::Contact { name }),
        1 => any::<bool>().prop_map(|archived| Change::Archive { archived }),
        1 => tenant().prop_map(|tenant| Change::Definition { tenant }),
        1 => tenant().prop_map(|tenant| Change::SavedFilter { tenant }),
        1 => tenant().prop_map(|tenant| Change::Intake { tenant }),
    ]
}

impl World {
    /// Lets a change happen.
    pub(crate) async fn happen(&self, change: Change) {
        let admin = Caller(change.tenant(), Role::TenantAdmin, None);
        let unique = Uuid::now_v7().simple().to_string();
        match change {
            Change::Sim {
                tenant,
                customer,
                number,
                label,
            } => {
                let prefix = if tenant == "alpha" {
                    "8944502"
                } else {
                    "8947008"
                };
                let iccid = Iccid::with_check_digit(&format!("{prefix}{number:012}"));
                let iccid = iccid.expect("19 digits");
                let iccid = iccid.as_str();
                self.serve_again(admin, customer).await;
                let csv = format!(
                    "customer,iccid,state,device,labels,device_labels\n\
                     {customer},{iccid},ACTIVE,device-{number},secret{label}=x,hidden{label}=y\n"
                );
                self.import(&self.scope(admin).await, csv).await;
            }
            Change::Assignment { customer, day } => {
                let iccid = iccid(prefix("alpha"), 5);
                self.serve_again(admin, customer).await;
                let csv = format!(
                    "customer,iccid,state,device,valid_from\n\
                     {customer},{iccid},ACTIVE,alpha-device-5,2026-11-21T11:57:{day:02}Z\n"
                );
                self.import(&self.scope(admin).await, csv).await;
            }
            Change::OwnSim { state, label } => {
                let (dyers, other) = (iccid(prefix("alpha"), 3), iccid(CLOSED_PREFIX, 0));
                let csv = format!(
                    "iccid,state,labels\n{dyers},{state},own{label}=y\n{other},{state},own{label}=y\n"
                );
                self.import(&self.scope(admin).await, csv).await;
            }
            Change::DeviceLabel { value } => {
                let ids = self.ids(admin).await;
                let set = json!([{ "key": "rack", "value": format!("r{value}") }]);
                for name in ["alpha-device-6", DEVICELESS] {
                    let input = json!({ "deviceId": device(&ids, name), "set": set });
                    self.change(admin, "setDeviceLabels", input).await;
                }
            }
            Change::Usage { .. } => self.usage_of(admin, change).await,
            Change::Switches { sims, usage } => {
                let visibility = json!({ "devices": true, "sims": sims, "usage": usage, "sessions": false, "billing": false });
                let input =
                    json!({ "customerId": self.other(admin).await, "visibility": visibility });
                self.change(admin, "setCustomerVisibility", input).await;
            }
            Change::Grant { subject, sim } => {
                let sim = self.ids(admin).await["sims"]["nodes"][sim]["id"].clone();
                let input = json!({ "subject": format!("somebody-{subject}"), "simIds": [sim] });
                self.change(admin, "grantSegment", input).await;
            }
            Change::Revoke { subject } => {
                let ask = format!("{{ segmentGrants(subject: \"somebody-{subject}\") {{ id }} }}");
                let found = self.run(admin, &ask, json!({})).await;
                let grants = found["data"]["segmentGrants"].as_array().cloned();
                if let Some(grant) = grants.unwrap_or_default().pop() {
                    let input = json!({ "grantId": grant["id"] });
                    self.change(admin, "revokeSegment", input).await;
                }
            }
            Change::Customer { .. } => {
                let input = json!({ "slug": unique, "name": unique });
                self.change(admin, "createCustomer", input).await;
            }
            Change::Contact { name } => {
                let input = json!({ "customerId": self.other(admin).await, "firstName": format!("Ada {name}") });
                self.change(admin, "updateCustomer", input).await;
            }
            Change::Archive { archived } => {
                let input = json!({ "customerId": self.other(admin).await, "archived": archived });
                self.change(admin, "archiveCustomer", input).await;
            }
            Change::Definition { .. } => {
                let input = json!({ "key": unique, "options": ["a", "b"] });
                self.change(admin, "createLabelDefinition", input).await;
            }
            Change::SavedFilter { .. } => {
                let input = json!({ "name": unique, "filter": { "sim": { "search": "89" } } });
                self.change(admin, "createSavedFilter", input).await;
            }
            Change::Intake { tenant } => {
                let scope = self.scope(admin).await;
                self.intake(tenant, &scope, &unique, true).await;
            }
        }
    }

    /// Customers of Alpha to whom one area is closed, each with a SIM, a device and usage.
    pub(crate) async fn closed_to_one_area(&self) {
        let admin = Caller("alpha", Role::TenantAdmin, None);
        let mut csv = String::from("customer,iccid,state,device,labels,device_labels\n");
        for (n, name) in CLOSED.into_iter().enumerate() {
            let iccid = iccid(CLOSED_PREFIX, n);
            csv.push_str(&format!(
                "{name},{iccid},ACTIVE,{name},location=field,rack={name}\n"
            ));
        }
        self.import(&self.scope(admin).await, csv).await;
        let ask = format!(
            "{{ sims(filter: {{ search: \"{CLOSED_PREFIX}\" }}) {{ nodes {{ id customer {{ id slug }} device {{ id }} }} }} }}"
        );
        let found = self.run(admin, &ask, json!({})).await;
        let sims = found["data"]["sims"]["nodes"].as_array().expect("SIMs");
        for sim in sims {
            let is_open = |name: &str| sim["customer"]["slug"] != name;
            let visibility = json!({
                "devices": is_open(DEVICELESS), "sims": is_open(SIMLESS), "usage": is_open(CLOSED[2]),
                "sessions": false, "billing": false,
            });
            let input = json!({ "customerId": sim["customer"]["id"], "visibility": visibility });
            self.change(admin, "setCustomerVisibility", input).await;
            for day in [3, 9] {
                self.record(admin, sim, 1_000, day, ["262-01", "DATA"])
                    .await;
            }
        }
        assert_eq!(sims.len(), CLOSED.len());
    }

    /// A change that is made: it has no errors of any kind.
    pub(crate) async fn change(&self, admin: Caller, mutation: &str, input: Value) -> Value {
        let (first, rest) = mutation.split_at(1);
        let ty = format!("{}{rest}Input", first.to_uppercase());
        let query = format!(
            "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ userErrors {{ code message }} }} }}"
        );
        let answer = self.run(admin, &query, json!({ "input": input })).await;
        let errors = &answer["data"][mutation]["userErrors"];
        assert_eq!(*errors, json!([]), "{mutation}: {answer}");
        answer
    }

    /// An archived customer takes no SIMs.
    async fn serve_again(&self, admin: Caller, customer: &str) {
        let id = self.other(admin).await;
        if customer == "3M" && id.is_string() {
            let input = json!({ "customerId": id, "archived": false });
            self.change(admin, "archiveCustomer", input).await;
        }
    }

    /// The customer that nobody watches.
    async fn other(&self, admin: Caller) -> Value {
        let ask = "{ customer(by: { slug: \"3m\" }) { id } }";
        self.run(admin, ask, json!({})).await["data"]["customer"]["id"].clone()
    }

    /// A record with the customer and the device of its SIM now.
    async fn usage_of(&self, admin: Caller, change: Change) {
        let Change::Usage {
            sim,
            bytes,
            day,
            network,
            service,
            ..
        } = change
        else {
            panic!("{change:?} is no usage");
        };
        let ask = "{ sims(first: 7) { nodes { id customer { id } device { id } } } }";
        let found = self.run(admin, ask, json!({})).await;
        let node = &found["data"]["sims"]["nodes"][sim];
        self.record(admin, node, bytes, day, [network, service])
            .await;
    }

    /// A record of a SIM that was found with its customer and device.
    pub(crate) async fn record(
        &self,
        admin: Caller,
        node: &Value,
        bytes: u32,
        day: u32,
        [network, service]: [&str; 2],
    ) {
        let batch = BatchId::new(Uuid::now_v7());
        let start = Utc.with_ymd_and_hms(2026, 10, day, 3, 0, 0).unwrap();
        let text = |value: &Value| value["id"].as_str().map(str::to_owned);
        let row = CdrRow {
            tenant: self.scope(admin).await.tenant(),
            customer: text(&node["customer"])
                .map(|id| id.parse::<CustomerId>().expect("a customer")),
            sim: text(node).expect("an id").parse::<SimId>().expect("a SIM"),
            device: text(&node["device"]).map(|id| id.parse::<DeviceId>().expect("a device")),
            network: network.into(),
            rat: "NR".into(),
            service: service.into(),
            source: "elsewhere".into(),
            record_id: batch.to_string(),
            identity: batch.uuid(),
            start,
            end: start + TimeDelta::minutes(1),
            bytes_up: bytes.into(),
            bytes_down: 1,
            units: 0,
            sign: 1,
            batch,
            received_at: self.now + TimeDelta::hours(1),
        };
        self.apply(batch, &[row]).await;
    }
}

fn device(ids: &Value, name: &str) -> Value {
    let nodes = ids["devices"]["nodes"].as_array().expect("nodes");
    let found = nodes.iter().find(|node| node["name"] == name);
    found.expect("the device")["id"].clone()
}
