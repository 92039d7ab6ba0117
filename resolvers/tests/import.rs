//! Fleet import through the contract: its bound, its dry run, and what is left of one that breaks off.

mod world;

use std::fmt::Write as _;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

const REPORT: &str = "report { rows created updated unchanged rejected newCustomers newDevices newLabels errorsTruncated
    errors { line code reason } }";

async fn import(world: &World, input: Value) -> Value {
    let query = format!(
        "mutation($input: ImportFleetInput!) {{ importFleet(input: $input) {{ {REPORT} userErrors {{ code field }} }} }}"
    );
    world.run(ADMIN, &query, json!({ "input": input })).await
}

fn report(answer: &Value) -> &Value {
    &answer["data"]["importFleet"]["report"]
}

/// A file of so many new SIMs.
fn fleet(rows: usize) -> String {
    let mut csv = String::from("iccid,state,customer\n");
    for n in 0..rows {
        writeln!(csv, "894450177{n:010},ACTIVE,New").expect("written");
    }
    csv
}

/// All that a fleet is made of, and its trace.
fn stored(world: &World) -> Vec<String> {
    let tables = [
        "sim",
        "device",
        "customer",
        "label_definition",
        "sim_customer",
        "sim_device",
        "sim_label",
        "device_label",
        "device_customer",
        "audit",
        "idempotency",
        "tenant",
    ];
    tables
        .iter()
        .flat_map(|table| {
            world.texts(&format!(
                "SELECT '{table} ' || row_to_json({table})::text AS row FROM {table} ORDER BY 1"
            ))
        })
        .collect()
}

#[tokio::test]
async fn a_dry_run_says_what_the_import_comes_to_and_changes_nothing() {
    let world = World::new().await;
    let sims = "{ sims(first: 2) { nodes { iccid } } }";
    let sims = world.run(ADMIN, sims, json!({})).await["data"]["sims"]["nodes"].clone();
    let (same, changed) = (&sims[0]["iccid"], &sims[1]["iccid"]);
    let csv = format!(
        "iccid,state,customer,device,labels\n{},ACTIVE,Bosch,alpha-device-0,\n{},SUSPENDED,Bosch,alpha-device-1,\n\
        8944501000000000991,ACTIVE,Bosh,new-device,shelf=1\n1,ACTIVE,,,\n8944501000000000992,ACTIVE,Bosh,,shelf=2\n",
        same.as_str().expect("text"),
        changed.as_str().expect("text")
    );
    let before = stored(&world);
    let dry = import(
        &world,
        json!({ "csv": csv, "dryRun": true, "idempotencyKey": "k" }),
    )
    .await;
    assert_eq!(stored(&world), before);
    let told = report(&dry);
    let counts = ["rows", "created", "updated", "unchanged", "rejected"].map(|it| &told[it]);
    assert_eq!(counts, [5, 2, 1, 1, 1], "{dry}");
    assert_eq!(told["newCustomers"], json!(["Bosh"]));
    assert_eq!(
        (&told["newDevices"], &told["newLabels"]),
        (&json!(1), &json!(["shelf"]))
    );
    assert_eq!(told["errors"][0]["line"], 5);
    // The key is still free, and the import comes to what was said.
    let real = import(&world, json!({ "csv": csv, "idempotencyKey": "k" })).await;
    assert_eq!(report(&real), told);
    assert_ne!(stored(&world), before);
    let again = import(&world, json!({ "csv": csv, "idempotencyKey": "k" })).await;
    assert_eq!(again, real, "the first answer, not that all is unchanged");
}

#[tokio::test]
async fn a_file_of_too_many_rows_is_refused_with_the_bound() {
    let world = World::new().await;
    let before = stored(&world);
    let answer = import(&world, json!({ "csv": fleet(20_001) })).await;
    assert_eq!(world::codes(&answer), ["LIMIT_EXCEEDED"]);
    let said = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&said["limit"], &said["actual"]),
        (&json!(20_000), &json!(20_001))
    );
    assert!(
        said["suggestion"]
            .as_str()
            .is_some_and(|it| it.contains("simcube import"))
    );
    assert_eq!(stored(&world), before);
    let bound = "at most 20,000 rows";
    assert!(
        resolvers::sdl().contains(bound),
        "the contract names the bound"
    );
}

#[tokio::test]
async fn a_list_of_errors_that_is_cut_is_said_to_be_and_counted() {
    let world = World::new().await;
    let file = |rows| format!("iccid,state\n{}", "1,ACTIVE\n".repeat(rows));
    for (rows, cut) in [(10_000, false), (10_001, true)] {
        let answer = import(&world, json!({ "csv": file(rows), "dryRun": true })).await;
        let told = report(&answer);
        assert_eq!(
            (&told["rejected"], &told["errorsTruncated"]),
            (&json!(rows), &json!(cut))
        );
        assert_eq!(told["errors"].as_array().map(Vec::len), Some(10_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_breaks_off_leaves_nothing_and_its_retry_imports_once() {
    let world = World::new().await;
    let before = stored(&world);
    let input = json!({ "csv": fleet(1_500), "idempotencyKey": "k" });
    // Another tenant is about to take the ICCID of a late row: the import has written the rows before it, and waits.
    let taken = "INSERT INTO sim (tenant_id, iccid, state, created_at, updated_at)
        SELECT tenant_id, '8944501770000001200', 'ACTIVE', now(), now() FROM tenant WHERE slug = 'beta'";
    let other = world.hold(taken).await;
    let waits = async {
        let waiting = "SELECT pid::text FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while world.texts(waiting).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = import(&world, input.clone()) => panic!("{answer}"),
        () = waits => {}
    }
    drop(other);
    let first = import(&world, input.clone()).await;
    assert_eq!(report(&first)["created"], 1_500, "{first}");
    let made = stored(&world);
    let imports = |rows: &[String]| {
        rows.iter()
            .filter(|row| row.contains("fleet.import"))
            .count()
    };
    assert_eq!(imports(&made), imports(&before) + 1);
    // The answer is lost, and asked for again.
    assert_eq!(import(&world, input).await, first);
    assert_eq!(stored(&world), made);
}
