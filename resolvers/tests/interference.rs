//! Non-interference: whatever happens in another tenant, or in the part of the fleet that a devices-only customer does
//! not see, every byte of that customer's answers stays the same.

mod world;

use std::io::Cursor;

use analytics::CdrRow;
use chrono::{TimeDelta, TimeZone as _, Utc};
use domain::{
    Role, customer, fleet,
    grant::{self, GrantTarget},
    id::{BatchId, CustomerId, SimId},
    identifier::Iccid,
    scope::Visibility,
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;
use uuid::Uuid;
use world::{Caller, World, fields};

const DYER: Caller = Caller("alpha", Role::CustomerUser, Some("dyer"));

/// Something that happens out of Dyer's sight.
#[derive(Clone, Debug)]
enum Change {
    /// A SIM with device and labels joins a customer, or nobody.
    Sim {
        tenant: &'static str,
        customer: &'static str,
        number: u32,
        label: u8,
    },
    /// One of Dyer's own SIMs changes its state and SIM labels: SIMs are closed to Dyer.
    OwnSim { state: &'static str, label: u8 },
    /// A device of Bosch, with its SIM, goes to somebody else or comes back.
    Device { customer: &'static str, day: u32 },
    /// Usage of one of the first SIMs of a tenant, Dyer's among them: usage is closed to Dyer.
    Usage {
        tenant: &'static str,
        sim: usize,
        bytes: u32,
        day: u32,
    },
    /// Bosch's switches move.
    Switches { sims: bool, usage: bool },
    /// Somebody else is granted Bosch.
    Grant { subject: u8 },
}

fn change() -> impl Strategy<Value = Change> {
    let tenant = prop_oneof![Just("alpha"), Just("beta")];
    let customer = prop_oneof![Just("Bosch"), Just("3M"), Just("")];
    prop_oneof![
        (customer.clone(), 1..20_u32).prop_map(|(customer, day)| Change::Device { customer, day }),
        (tenant.clone(), customer, 0..5_000_u32, any::<u8>()).prop_map(
            |(tenant, customer, number, label)| Change::Sim {
                tenant,
                customer,
                number,
                label
            }
        ),
        (prop_oneof![Just("SUSPENDED"), Just("ACTIVE")], any::<u8>())
            .prop_map(|(state, label)| Change::OwnSim { state, label }),
        (tenant, 0..7_usize, any::<u32>(), 1..28_u32).prop_map(|(tenant, sim, bytes, day)| {
            Change::Usage {
                tenant,
                sim,
                bytes,
                day,
            }
        }),
        (any::<bool>(), any::<bool>()).prop_map(|(sims, usage)| Change::Switches { sims, usage }),
        any::<u8>().prop_map(|subject| Change::Grant { subject }),
    ]
}

/// Everything that Dyer can try: each field of the contract, filters, sorts, counts and errors.
async fn battery(world: &World) -> Vec<String> {
    let mut documents = Vec::new();
    for (path, _, selection) in fields::FIELDS
        .iter()
        .filter(|(path, ..)| !path.contains("grant"))
    {
        documents.push(fields::document(path, selection).0);
    }
    documents.extend(
        [
            "{ devices(filter: { search: \"device\" }) { totalCount nodes { id name labels { key value } } } }",
            "{ devices(filter: { label: { key: \"secret\" } }) { totalCount } }",
            "{ devices(filter: { unassigned: true }) { totalCount nodes { id } } }",
            "{ devices(orderBy: { field: CREATED_AT, direction: DESC }) { nodes { name updatedAt } pageInfo { startCursor } } }",
            "{ devices(last: 2) { edges { cursor node { name customer { name slug } } } } }",
            "{ customers(filter: { search: \"o\" }) { totalCount nodes { name } } }",
            "{ customer(by: { slug: \"bosch\" }) { name } }",
            "{ sim(by: { iccid: \"8944501000000000000\" }) { id } }",
            "{ sims(filter: { search: \"89\" }) { totalCount } }",
            "{ node(id: \"sim_00000000000000000000000000000000\") { id } }",
            "{ labelDefinitions { nodes { key options } totalCount } }",
            "{ me { permissions visibility { usage } tenant { name } customer { name } } }",
            "{ networks(first: 3) { nodes { name usage(input: $october) { totals { records } } } } }",
            "{ devices { nodes { sims { iccid } usage(input: $october) { totals { bytesTotal } } } } }",
        ]
        .map(str::to_owned),
    );
    let mut answers = Vec::new();
    for document in documents {
        let query = fields::fill(world, DYER, &document).await;
        answers.push(format!(
            "{query}\n{}",
            world.run(DYER, &query, json!({})).await
        ));
    }
    answers
}

async fn import(world: &World, tenant: &'static str, csv: String) {
    let admin = world.scope(Caller(tenant, Role::TenantAdmin, None)).await;
    fleet::import_file(&world.db, &admin, Cursor::new(csv), &world.store, |_| ())
        .await
        .expect("import");
}

async fn happen(world: &World, change: Change) {
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
                "8946008"
            };
            let iccid =
                Iccid::with_check_digit(&format!("{prefix}{number:012}")).expect("19 digits");
            let row = format!(
                "{customer},{},ACTIVE,device-{number},secret{label}=x",
                iccid.as_str()
            );
            import(
                world,
                tenant,
                format!("customer,iccid,state,device,labels\n{row}\n"),
            )
            .await;
        }
        Change::OwnSim { state, label } => {
            let csv = world::fleet_file("alpha", "8944501");
            let iccid = csv
                .lines()
                .nth(4)
                .and_then(|line| line.split(',').nth(1))
                .expect("Dyer's first SIM");
            import(
                world,
                "alpha",
                format!("iccid,state,labels\n{iccid},{state},hidden{label}=y\n"),
            )
            .await;
        }
        Change::Device { customer, day } => {
            let csv = world::fleet_file("alpha", "8944501");
            let iccid = csv
                .lines()
                .nth(1)
                .and_then(|line| line.split(',').nth(1))
                .expect("Bosch's first SIM");
            let row = format!("{customer},{iccid},ACTIVE,alpha-device-0,2026-11-{day:02}");
            let head = "customer,iccid,state,device,valid_from";
            import(world, "alpha", format!("{head}\n{row}\n")).await;
        }
        Change::Usage {
            tenant,
            sim,
            bytes,
            day,
        } => usage(world, tenant, sim, bytes, day).await,
        Change::Switches { sims, usage } => {
            let admin = world.scope(Caller("alpha", Role::TenantAdmin, None)).await;
            let cx = world.db.write(&admin).await.expect("write");
            let bosch = customer::get_by_slug(&cx, "bosch").await.expect("bosch");
            let visibility = Visibility {
                sims,
                usage,
                ..Visibility::ALL
            };
            customer::set_visibility(cx, bosch.id, visibility)
                .await
                .expect("switches");
        }
        Change::Grant { subject } => {
            let admin = world.scope(Caller("alpha", Role::TenantAdmin, None)).await;
            let cx = world.db.write(&admin).await.expect("write");
            let bosch = customer::get_by_slug(&cx, "bosch").await.expect("bosch");
            let target = GrantTarget::Customer(bosch.id);
            grant::add(cx, &format!("somebody-{subject}"), vec![target])
                .await
                .expect("grant");
        }
    }
}

async fn usage(world: &World, tenant: &'static str, sim: usize, bytes: u32, day: u32) {
    let admin = Caller(tenant, Role::TenantAdmin, None);
    let sims = world
        .run(
            admin,
            "{ sims(first: 7) { nodes { id customer { id } } } }",
            json!({}),
        )
        .await;
    let node = &sims["data"]["sims"]["nodes"][sim];
    let batch = BatchId::new(Uuid::now_v7());
    let start = Utc.with_ymd_and_hms(2026, 10, day, 3, 0, 0).unwrap();
    let row = CdrRow {
        tenant: world.scope(admin).await.tenant(),
        customer: node["customer"]["id"]
            .as_str()
            .map(|id| id.parse::<CustomerId>().expect("customer")),
        sim: node["id"]
            .as_str()
            .expect("id")
            .parse::<SimId>()
            .expect("sim"),
        device: None,
        network: "240-01".into(),
        rat: "NR".into(),
        service: "DATA".into(),
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
        received_at: world.now,
    };
    world.apply(batch, &[row]).await;
}

#[tokio::test]
async fn what_a_devices_only_customer_cannot_see_never_changes_its_answers() {
    let world = World::new().await;
    let before = battery(&world).await;
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let changes: Vec<Change> = (0..25)
        .map(|_| change().new_tree(&mut runner).expect("a change").current())
        .collect();
    for change in &changes {
        happen(&world, change.clone()).await;
    }
    for (then, now) in before.iter().zip(battery(&world).await) {
        assert_eq!(*then, now, "after {changes:?}");
    }
}

#[tokio::test]
async fn the_battery_notices_what_dyer_does_see() {
    let world = World::new().await;
    let before = battery(&world).await;
    let row = "Dyer,89445020000000000017,ACTIVE,a-new-device,";
    import(
        &world,
        "alpha",
        format!("customer,iccid,state,device,labels\n{row}\n"),
    )
    .await;
    assert_ne!(
        before,
        battery(&world).await,
        "a device of Dyer's own shows"
    );
}
