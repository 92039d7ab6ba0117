//! What each caller gets of each data set: nothing that is closed to it, and no rows of others.

use std::fmt::Write as _;

use domain::{assignment, grant::GrantTarget, scope::Visibility};
use exports::DataSet;
use strum::VariantArray as _;

use crate::world::{
    ADMIN, BETA, BOSCH, Caller, DYER, INGEST, NOBODY, POOL, STAFF, SUPPORT, VIEWER, World, sims,
};

/// What a caller gets of some data sets. Identifiers are masked, and rows sorted, because both differ from run to run.
async fn seen(world: &World, caller: Caller, data_sets: &[DataSet]) -> String {
    let mut text = String::new();
    for data_set in data_sets {
        writeln!(text, "# {}", data_set.as_ref()).unwrap();
        match world.export(caller, *data_set).await {
            Err(code) => writeln!(text, "{code}").unwrap(),
            Ok((manifest, file)) => {
                let closed = manifest.contents.head.closed.join(" ");
                writeln!(text, "closed: {closed}").unwrap();
                let mut lines = file.lines().map(masked);
                writeln!(text, "{}", lines.next().expect("a header")).unwrap();
                let mut lines: Vec<String> = lines.collect();
                lines.sort();
                for line in lines {
                    writeln!(text, "{line}").unwrap();
                }
            }
        }
    }
    text
}

/// A line without what is random in it.
fn masked(line: &str) -> String {
    let cell = |cell: &str| match cell.split_once('_') {
        Some((prefix, rest)) if rest.len() == 32 => format!("{prefix}_#"),
        _ => cell.to_owned(),
    };
    line.split(',').map(cell).collect::<Vec<_>>().join(",")
}

/// Data sets whose rows have no moment of this run.
const ROWS: [DataSet; 6] = [
    DataSet::Records,
    DataSet::Assignments,
    DataSet::CustomerUsage,
    DataSet::NetworkUsage,
    DataSet::IngestRejections,
    DataSet::IngestAccounting,
];

#[tokio::test]
async fn each_caller_gets_its_rows_and_its_columns() {
    let world = World::new().await;
    world.open("bosch", Visibility::ALL).await;
    world.open("dyer", Visibility::DEVICES_ONLY).await;
    let bosch = world.customer("bosch").await;
    world.grant(VIEWER, GrantTarget::Customer(bosch)).await;
    let admin = world.scope(ADMIN).await;
    let cx = world.db.read(&admin).await.expect("a snapshot");
    let moved = sims(&cx).await[2].id;
    let spans = assignment::by_sims(&cx, &[moved]).await.expect("spans");
    assert_eq!(spans[&moved].len(), 2);
    drop(cx);
    world.grant(POOL, GrantTarget::Sim(moved)).await;

    for (name, caller) in [
        ("admin", ADMIN),
        ("viewer_of_a_customer", VIEWER),
        ("viewer_of_a_sim", POOL),
        ("viewer_of_nothing", NOBODY),
        ("customer", BOSCH),
        ("devices_only_customer", DYER),
    ] {
        insta::assert_snapshot!(name, seen(&world, caller, &ROWS).await);
    }
    // Staff and support see the tenant; what intake did, too.
    let all = seen(&world, ADMIN, &ROWS).await;
    assert_eq!(seen(&world, STAFF, &ROWS).await, all);
    assert_eq!(seen(&world, SUPPORT, &ROWS).await, all);
    // Another tenant sees the same of its own, and nothing of this one.
    let beta = seen(&world, BETA, &ROWS).await;
    assert_eq!(
        beta.replace("beta", "alpha").replace("8946007", "8944501"),
        all
    );
    assert!(!beta.contains("alpha") && !all.contains("beta"));
}

#[tokio::test]
async fn each_switch_closes_its_columns_and_data_sets() {
    let world = World::new().await;
    let mut text = String::new();
    for (name, closed) in [
        (
            "devices",
            Visibility {
                devices: false,
                ..Visibility::ALL
            },
        ),
        (
            "sims",
            Visibility {
                sims: false,
                ..Visibility::ALL
            },
        ),
        (
            "sessions",
            Visibility {
                sessions: false,
                ..Visibility::ALL
            },
        ),
        (
            "usage",
            Visibility {
                usage: false,
                ..Visibility::ALL
            },
        ),
        (
            "billing",
            Visibility {
                billing: false,
                ..Visibility::ALL
            },
        ),
    ] {
        world.open("bosch", closed).await;
        writeln!(text, "## without {name}").unwrap();
        text.push_str(&seen(&world, BOSCH, &ROWS[..3]).await);
    }
    insta::assert_snapshot!("switches", text);
}

#[tokio::test]
async fn whoever_may_not_ask_is_refused() {
    let world = World::new().await;
    world.open("bosch", Visibility::ALL).await;
    world.open("dyer", Visibility::DEVICES_ONLY).await;
    let mut text = String::new();
    for data_set in DataSet::VARIANTS {
        write!(text, "{}:", data_set.as_ref()).unwrap();
        for caller in [STAFF, ADMIN, SUPPORT, VIEWER, BOSCH, DYER, INGEST] {
            let got = match world.export(caller, *data_set).await {
                Ok((manifest, _)) => manifest.contents.rows.to_string(),
                Err(code) => code,
            };
            let (subject, _, role, customer) = caller;
            write!(text, " {}={got}", customer.unwrap_or(subject)).unwrap();
            let is_open = role.permissions().contains(&data_set.entry().needs);
            assert!(is_open || got == "FORBIDDEN", "{caller:?} {data_set:?}");
        }
        text.push('\n');
    }
    insta::assert_snapshot!("refusals", text);
}
