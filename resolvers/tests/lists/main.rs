//! Lists: what their filters select, their pages, and the lists within other objects.

mod condition;
mod count;
mod edge;
mod filter;
mod matching;
mod page;
mod saved;
#[path = "../world/mod.rs"]
mod world;

use std::{collections::BTreeSet, io::Cursor};

use domain::{Role, fleet, journal};
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// Alpha's fleet and intake, with rows that differ in everything that can be asked for.
async fn world() -> World {
    let world = World::new().await;
    let admin = world.scope(ADMIN).await;
    let csv = "iccid,state,customer,device,device_kind,labels,device_labels\n\
        8944501000000000101,SUSPENDED,Bosch,alpha-tracker-1,tracker,location=depot;shelf=1,room=lab\n\
        8944501000000000102,SUSPENDED,,alpha-tracker-2,tracker,location=depot,room=hall\n\
        8944501000000000103,ACTIVE,Dyer,alpha-meter-1,meter,shelf=1,\n";
    let report = fleet::import_file(&world.db, &admin, Cursor::new(csv), &world.store, |_| ());
    assert_eq!(Box::pin(report).await.expect("imported").created, 3);
    let month = journal::open_month(&world.db, world.now).await;
    month.expect("a month");
    for name in ["record-1", "record-2"] {
        world.intake("alpha", &admin, name, true).await;
    }
    let staff = Caller("alpha", Role::PlatformAdmin, None);
    for (caller, name, filter) in [
        (
            ADMIN,
            "Suspended",
            json!({ "sim": { "states": ["SUSPENDED"] } }),
        ),
        (
            ADMIN,
            "Trackers",
            json!({ "device": { "kinds": ["tracker"] } }),
        ),
        (staff, "Meters", json!({ "device": { "kinds": ["meter"] } })),
    ] {
        let input = json!({ "name": name, "filter": filter });
        world.change(caller, "createSavedFilter", input).await;
    }
    for (caller, name) in [(staff, "All"), (ADMIN, "Some"), (ADMIN, "Few")] {
        let input = json!({ "dataSet": { "sims": {} }, "format": "CSV", "name": name });
        let create = "mutation($input: CreateExportInput!) { createExport(input: $input) { export { id } } }";
        let made = world.run(caller, create, json!({ "input": input })).await;
        if name == "Some" {
            let input = json!({ "exportId": made["data"]["createExport"]["export"]["id"] });
            world.change(caller, "cancelExport", input).await;
        }
    }
    monthly(&world).await;
    world
}

/// Schedules, one of which asked for an export, and what somebody was told.
async fn monthly(world: &World) {
    let staff = Caller("alpha", Role::PlatformAdmin, None);
    for (caller, name) in [(staff, "Bills"), (ADMIN, "Networks"), (ADMIN, "Trail")] {
        let month = json!({ "period": { "preset": "LAST_MONTH" } });
        let input = json!({ "dataSet": { "customerUsage": month }, "format": "CSV", "name": name });
        world.change(caller, "createExportSchedule", input).await;
    }
    world.by_hand(&format!(
        "UPDATE schedule SET enabled = false WHERE name = 'Trail';
         UPDATE job SET schedule_id = schedule.schedule_id, schedule_month = '2026-10-01' FROM schedule
         WHERE job.name = 'Few' AND schedule.name = 'Bills';
         INSERT INTO notification (tenant_id, subject, kind, object_id, name, created_at, read_at)
         SELECT tenant_id, '{}', kind, uuidv7(), told, '2026-11-21', read_at FROM tenant, (VALUES
             ('EXPORT_COMPLETE', 'done', NULL), ('EXPORT_FAILED', 'lost', NULL), ('EXPORT_COMPLETE', 'read', timestamptz '2026-11-21'))
             AS known (kind, told, read_at) WHERE slug = 'alpha'",
        ADMIN.subject()
    ));
}

fn keys_of(nodes: &Value, key: &str) -> BTreeSet<String> {
    let nodes = nodes.as_array().expect("nodes").iter();
    nodes
        .map(|node| node[key].as_str().expect("a key").to_owned())
        .collect()
}
