//! What networks are called: the operator's word stays.

use std::sync::Arc;

use domain::{
    Code, Db, FixedClock, Result, Role,
    identifier::Plmn,
    identity::{Known, VerifiedClaims},
    network::{self, Network, SetNetwork},
    tenant::{self, NewTenant},
};
use testkit::PostgresDb;

async fn house() -> (PostgresDb, Db) {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let now = "2026-11-24T12:00:00Z".parse().expect("a moment");
    let db = Db::connect(postgres.url(), 2, Arc::new(FixedClock(now))).await;
    (postgres, db.expect("connected"))
}

async fn set(db: &Db, code: &str, set: SetNetwork) -> Result<Network> {
    let cx = db.system().await?;
    let network = network::set(&cx, &Plmn::parse(code)?, set).await?;
    cx.commit().await?;
    Ok(network)
}

fn named(name: &str) -> SetNetwork {
    SetNetwork {
        name: Some(name.into()),
        ..SetNetwork::default()
    }
}

#[tokio::test]
async fn a_name_that_was_set_stays_whatever_is_loaded_later() {
    let (postgres, db) = house().await;
    let cx = db.system().await.expect("system");
    let tenant = NewTenant {
        slug: "alpha".into(),
        name: "Alpha".into(),
        simulated: false,
    };
    tenant::create(&cx, tenant).await.expect("created");
    cx.commit().await.expect("committed");
    let claims = VerifiedClaims::new("eve".into(), "alpha".into(), Role::Viewer, None);
    let claims = claims.expect("claims");
    let known = Known::default();
    let seen = async || {
        let cx = known.open(&db, &claims).await.expect("a snapshot");
        let plmn = Plmn::parse("262-02").expect("a network");
        network::get(&cx, &plmn).await.expect("a network").name
    };
    let before = seen().await;
    let network = set(&db, "262-02", named(" Vodafone Germany ")).await;
    let network = network.expect("set");
    assert_eq!(network.name, "Vodafone Germany");
    assert_eq!(network.country_code.as_deref(), Some("DE"));
    assert_eq!(seen().await, "Vodafone Germany");
    // As a migration loads a newer dictionary.
    postgres.run(&format!(
        "INSERT INTO network (mcc, mnc, name, source, source_version) VALUES ('262', '02', '{before}', 'newer', '2')
         ON CONFLICT (mcc, mnc) DO UPDATE SET name = excluded.name, source = excluded.source"
    ));
    assert_eq!(seen().await, "Vodafone Germany");
    let again = set(&db, "262-02", named("Vodafone")).await;
    assert_eq!(again.expect("set").name, "Vodafone");
    assert_eq!(seen().await, "Vodafone");
}

#[tokio::test]
async fn a_new_network_needs_a_name_and_is_where_its_country_code_is() {
    let (_postgres, db) = house().await;
    let refused = set(&db, "262-999", SetNetwork::default()).await;
    assert_eq!(refused.expect_err("no name").code(), Code::InvalidInput);
    let refused = set(&db, "262-999", named("two\nlines")).await;
    assert_eq!(refused.expect_err("no name").code(), Code::InvalidInput);
    let elsewhere = SetNetwork {
        country_code: Some("XX".into()),
        ..named("Campus")
    };
    let refused = set(&db, "262-999", elsewhere).await;
    assert_eq!(refused.expect_err("no country").code(), Code::InvalidInput);
    let network = set(&db, "262-999", named("Campus")).await.expect("set");
    assert_eq!(network.country_code.as_deref(), Some("DE"));
    let moved = SetNetwork {
        country_code: Some("dk".into()),
        operator: Some("Campus A/S".into()),
        ..SetNetwork::default()
    };
    let network = set(&db, "262-999", moved).await.expect("set");
    assert_eq!(network.name, "Campus");
    assert_eq!(network.country.as_deref(), Some("Denmark"));
    assert_eq!(network.source, "operator");
}
