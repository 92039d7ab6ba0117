//! What each caller gets of each data set: nothing that is closed to it, and no rows of others.

use std::fmt::Write as _;

use domain::{assignment, grant::GrantTarget, scope::Visibility};
use exports::DataSet;
use strum::VariantArray as _;

use crate::world::{
    ADMIN, BETA, BOSCH, Caller, DYER, INGEST, NOBODY, POOL, STAFF, SUPPORT, VIEWER, World, sims,
};

/// What a caller gets of some data sets. What is random is masked, and rows are sorted, because both differ from run to run.
async fn seen(world: &World, caller: Caller, data_sets: &[DataSet]) -> String {
    let mut text = String::new();
    for data_set in data_sets {
        writeln!(text, "# {}", data_set.as_ref()).unwrap();
        match world.export(caller, *data_set).await {
            Err(code) => writeln!(text, "{code}").unwrap(),
            Ok((manifest, file)) => {
                let head = &manifest.contents.head;
                let scope = serde_json::to_string(&head.scope).expect("JSON");
                writeln!(text, "scope: {}", masked(&scope)).unwrap();
                writeln!(text, "closed: {}", head.closed.join(" ")).unwrap();
                text.push_str(&rows(&file));
            }
        }
    }
    text
}

/// The header of a file, and its rows in order of their text.
fn rows(file: &str) -> String {
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let names = reader.headers().expect("a header").clone();
    let mut rows: Vec<Vec<String>> = (reader.records())
        .map(|row| {
            let row = row.expect("a row");
            let cells = names.iter().zip(&row);
            cells.map(|(name, cell)| told(name, cell)).collect()
        })
        .collect();
    rows.sort();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).expect("written");
    for row in rows {
        writer.write_record(row).expect("written");
    }
    let bytes = writer.into_inner().expect("written");
    String::from_utf8(bytes).expect("text")
}

/// A cell without what is random in it, and without the moment of this run.
fn told(name: &str, cell: &str) -> String {
    match name {
        "at" | "created_at" | "updated_at" => "(a moment)".to_owned(),
        _ => masked(cell),
    }
}

/// A text without the identifiers in it, which are random.
fn masked(text: &str) -> String {
    let word = |word: &str| match word.split_once('_') {
        Some((prefix, rest)) if rest.len() == 32 => format!("{prefix}_#"),
        _ => word.to_owned(),
    };
    text.split('"').map(word).collect::<Vec<_>>().join("\"")
}

/// Data sets that say the same of two tenants of one shape, whatever was done to one of them since.
const ALIKE: [DataSet; 6] = [
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
        insta::assert_snapshot!(name, seen(&world, caller, DataSet::VARIANTS).await);
    }
    // Staff and support see the tenant; what intake did, too. That staff look is written to the log.
    let (log, others): (Vec<DataSet>, Vec<DataSet>) =
        (DataSet::VARIANTS.iter()).partition(|data_set| **data_set == DataSet::Audit);
    let all = seen(&world, ADMIN, &others).await;
    for (caller, role) in [(STAFF, "platform_admin"), (SUPPORT, "support")] {
        let said = seen(&world, caller, &others).await;
        assert_eq!(said.replace(role, "tenant_admin"), all);
    }
    assert!(seen(&world, STAFF, &log).await.contains("platform_admin"));
    // Another tenant sees the same of its own, and nothing of this one.
    let beta = seen(&world, BETA, &ALIKE).await;
    assert_eq!(
        beta.replace("beta", "alpha").replace("8946007", "8944501"),
        seen(&world, ADMIN, &ALIKE).await
    );
    let all = seen(&world, ADMIN, DataSet::VARIANTS).await;
    let beta = seen(&world, BETA, DataSet::VARIANTS).await;
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
        text.push_str(&seen(&world, BOSCH, DataSet::VARIANTS).await);
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
