//! Settings of tenants: set by the operator, known to callers with the next request, and written to the audit log.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Db, FixedClock, Result, Role, Scope, audit,
    identity::{Known, VerifiedClaims, operator},
    list::{List as _, Order},
    paging::PageRequest,
    tenant::{self, NewTenant, Retention, SessionRetention, SetSettings, Settings},
};
use testkit::PostgresDb;

struct House {
    postgres: PostgresDb,
    db: Db,
    known: Known,
}

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().expect("a moment")
}

async fn house() -> House {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let house = House {
        db: connected(&postgres, now()).await,
        known: Known::default(),
        postgres,
    };
    let cx = house.db.system().await.expect("system");
    for slug in ["alpha", "beta"] {
        let new = NewTenant {
            slug: slug.into(),
            name: slug.into(),
            simulated: false,
        };
        tenant::create(&cx, new).await.expect("created");
    }
    cx.commit().await.expect("committed");
    house
}

async fn connected(postgres: &PostgresDb, at: DateTime<Utc>) -> Db {
    let db = Db::connect(postgres.url(), 2, Arc::new(FixedClock(at))).await;
    db.expect("connected")
}

impl House {
    async fn set(&self, slug: &str, set: SetSettings) -> Result<Settings> {
        let cx = self.db.system().await?;
        let tenant = tenant::set(&cx, slug, set).await?;
        cx.commit().await?;
        Ok(tenant.settings)
    }

    async fn scope(&self, slug: &str) -> Scope {
        let claims = VerifiedClaims::new("ada".into(), slug.into(), Role::TenantAdmin, None);
        let cx = self.known.open(&self.db, &claims.expect("claims")).await;
        cx.expect("known").scope().clone()
    }
}

fn all() -> SetSettings {
    SetSettings {
        record_days: Some(Some(730)),
        session_days: Some(Some(14)),
        session_minutes: Some(Some(10)),
        export_days: Some(Some(7)),
        export_bytes: Some(Some(1 << 40)),
    }
}

#[tokio::test]
async fn settings_hold_from_the_next_request_on_and_for_their_tenant_alone() {
    let house = house().await;
    assert_eq!(house.scope("alpha").await.settings(), Settings::default());
    let set = house.set("alpha", all()).await.expect("set");
    let expected = Settings {
        records: Retention::new(730, Some(now() - TimeDelta::days(390))),
        sessions: SessionRetention::new(14, Some((7, now()))),
        session_minutes: Some(10),
        export_days: Some(7),
        export_bytes: Some(1 << 40),
    };
    assert_eq!(set, expected);
    assert_eq!(house.scope("alpha").await.settings(), expected);
    assert_eq!(house.scope("beta").await.settings(), Settings::default());
    let terminal = operator(&house.db, "alpha", "root").await.expect("known");
    assert_eq!(terminal.settings(), expected);
    let cx = house.db.system().await.expect("system");
    let (alpha, beta) = (terminal.tenant(), house.scope("beta").await.tenant());
    for retentions in [
        tenant::retentions(&cx).await,
        tenant::retentions_of(&cx, &[alpha, beta]).await,
    ] {
        let retentions = retentions.expect("retentions");
        assert_eq!(retentions.of(alpha), expected.records);
        assert_eq!(retentions.of(beta), Retention::default());
        assert_eq!(retentions.own().count(), 1);
    }
    for retentions in [
        tenant::session_retentions(&cx).await,
        tenant::session_retentions_of(&cx, &[alpha, beta]).await,
    ] {
        let retentions = retentions.expect("retentions");
        assert_eq!(retentions.of(alpha), expected.sessions);
        assert_eq!(retentions.of(beta), SessionRetention::default());
    }
    drop(cx);
    let unset = SetSettings {
        record_days: Some(None),
        session_days: Some(None),
        session_minutes: Some(None),
        export_days: Some(None),
        export_bytes: Some(None),
    };
    let unset = house.set("alpha", unset).await.expect("unset");
    assert_eq!((unset.export_days, unset.export_bytes), (None, None));
    assert_eq!(unset.records.days(), Retention::DAYS);
    assert_eq!(unset.sessions.days(), SessionRetention::DAYS);
    assert_eq!(unset.session_minutes, None);
}

#[tokio::test]
async fn what_no_tenant_may_have_is_refused_and_changes_nothing() {
    let house = house().await;
    let code = |outcome: Result<Settings>| outcome.map_err(|error| error.code());
    let unknown = house.set("gamma", all()).await;
    assert_eq!(code(unknown), Err(Code::NotFound));
    let short = SetSettings {
        record_days: Some(Some(59)),
        ..all()
    };
    assert_eq!(
        code(house.set("alpha", short).await),
        Err(Code::InvalidInput)
    );
    assert_eq!(house.scope("alpha").await.settings(), Settings::default());
    let cx = house.db.system().await.expect("system");
    assert_eq!(tenant::unapplied(&cx).await.expect("changes"), []);
}

#[tokio::test]
async fn a_change_is_audited_with_what_was_before() {
    let house = house().await;
    house.set("alpha", all()).await.expect("set");
    let scope = house.scope("alpha").await;
    let cx = house.db.read(&scope).await.expect("a snapshot");
    let page = PageRequest::relay(Some(10), None, None, None).expect("a page");
    let page = audit::Event::page(
        &cx,
        &domain::filter::Filter::default(),
        Order::default(),
        &page,
    )
    .await;
    let events = page.expect("events").rows;
    let (_, event) = events
        .iter()
        .find(|(_, event)| event.action == "tenant.set")
        .expect("an event");
    let detail = serde_json::from_str::<serde_json::Value>(&event.detail).expect("JSON");
    assert_eq!(detail["before"]["recordDays"], serde_json::Value::Null);
    assert_eq!(detail["after"]["recordDays"], 730);
    assert_eq!(detail["after"]["exportBytes"], 1_u64 << 40);
}

#[tokio::test]
async fn a_change_is_told_until_it_was_told_and_again_when_the_one_before_is_forgotten() {
    let house = house().await;
    house.set("alpha", all()).await.expect("set");
    let unapplied = async |minutes: i64| {
        let db = connected(&house.postgres, now() + TimeDelta::minutes(minutes)).await;
        let cx = db.system().await.expect("system");
        let changes = tenant::unapplied(&cx).await.expect("changes");
        for change in &changes {
            tenant::applied(&cx, change).await.expect("noted");
        }
        cx.commit().await.expect("committed");
        changes.len()
    };
    assert_eq!(unapplied(1).await, 1);
    assert_eq!(unapplied(2).await, 0);
    assert_eq!(unapplied(10).await, 1);
    assert_eq!(unapplied(100_000).await, 0);
}
