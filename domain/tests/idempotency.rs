//! Idempotency keys on a real Postgres: for how long, and against whom they hold.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Db, FixedClock, IdempotencyKey, Result, Role, Scope,
    customer::{self, Customer, NewCustomer},
    idempotency::REMEMBERED,
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait as _, Database, TransactionTrait as _};
use serde_json::json;
use testkit::PostgresDb;

struct House {
    postgres: PostgresDb,
    scope: Scope,
    start: DateTime<Utc>,
}

impl House {
    async fn new() -> Self {
        let postgres = testkit::postgres();
        // Postgres keeps microseconds: what is answered first and what is read later are the same all the same.
        let start = DateTime::from_timestamp(1_795_000_000, 123_456_789).expect("a date");
        let db = at(&postgres, start).await;
        let cx = db.system().await.expect("system");
        let new = NewTenant {
            slug: "alpha".into(),
            name: "Alpha".into(),
            simulated: false,
        };
        let tenant = tenant::create(&cx, new).await.expect("a tenant");
        cx.commit().await.expect("committed");
        let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
        let claims = claims.expect("claims");
        let scope = Scope::of_token(tenant.id, &claims, Segment::default(), Visibility::ALL);
        Self {
            postgres,
            scope,
            start,
        }
    }

    /// Creates a customer under a key, by a server whose clock says `now`.
    async fn create(&self, now: DateTime<Utc>, key: &str, slug: &str) -> Result<Customer> {
        let db = at(&self.postgres, now).await;
        let key = IdempotencyKey::new(key.into(), "createCustomer", json!({ "slug": slug }))?;
        let new = NewCustomer {
            slug: slug.into(),
            name: slug.into(),
            ..NewCustomer::default()
        };
        customer::create(db.write(&self.scope).await?.under(Some(key)), new).await
    }

    fn keys(&self) -> Vec<String> {
        let sql = "SELECT key FROM idempotency ORDER BY key";
        self.postgres.texts(sql)
    }
}

async fn at(postgres: &PostgresDb, now: DateTime<Utc>) -> Db {
    let clock = Arc::new(FixedClock(now));
    Db::connect(postgres.url(), 1, clock)
        .await
        .expect("connected")
}

#[tokio::test]
async fn a_key_is_remembered_for_a_day_and_then_deleted() {
    let house = House::new().await;
    let first = house.create(house.start, "k", "acme").await.expect("made");
    let later = house.start + REMEMBERED;
    let just = later - TimeDelta::milliseconds(1);
    let again = house.create(just, "k", "acme").await.expect("remembered");
    assert_eq!((&again, house.keys()), (&first, vec!["k".to_owned()]));
    let other = house.create(just, "k", "other").await;
    assert_eq!(
        other.map_err(|error| error.code()).err(),
        Some(Code::Conflict)
    );

    // Then it names another change.
    let other = house.create(later, "k", "other").await.expect("made");
    assert_ne!(other.id, first.id);
    let again = house.create(later, "k", "other").await.expect("remembered");
    assert_eq!(again, other);
    house.create(later, "l", "third").await.expect("made");
    assert_eq!(house.keys(), ["k", "l"]);
    let latest = later + REMEMBERED;
    house.create(latest, "m", "fourth").await.expect("made");
    assert_eq!(house.keys(), ["m"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_use_is_waited_for_and_is_free_when_its_change_was_taken_back() {
    let house = House::new().await;
    house.create(house.start, "k", "acme").await.expect("made");
    // Another request of the same key is at work.
    let server = Database::connect(house.postgres.url())
        .await
        .expect("connected");
    for kept in [false, true] {
        let other = server.begin().await.expect("begun");
        let claim = "INSERT INTO idempotency SELECT tenant_id, subject, 'busy', operation, body, answer, created_at
            FROM idempotency WHERE key = 'k'";
        other.execute_unprepared(claim).await.expect("claimed");
        let created = house.create(house.start, "busy", "busy");
        let ended = async {
            let waiting =
                "SELECT pid::text FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
                AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
            while house.postgres.texts(waiting).is_empty() {
                tokio::task::yield_now().await;
            }
            if kept {
                other.commit().await
            } else {
                other.rollback().await
            }
        };
        let (created, ended) = tokio::join!(created, ended);
        ended.expect("ended");
        let expected = kept.then_some(Code::Conflict);
        assert_eq!(created.map_err(|error| error.code()).err(), expected);
        house
            .postgres
            .run("DELETE FROM idempotency WHERE key = 'busy'");
    }
}
