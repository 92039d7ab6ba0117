//! From verified claims to a scope, tenants, and the trace that platform staff leave.

use std::sync::Arc;

use chrono::DateTime;
use domain::{
    Code, Db, FixedClock, Role, Scope, audit,
    identity::{VerifiedClaims, resolve},
    scope::Segments,
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use testkit::PostgresDb;

struct Fixture {
    _postgres: PostgresDb,
    owner: DatabaseConnection,
    db: Db,
}

async fn fixture() -> Fixture {
    let postgres = testkit::postgres();
    let clock = Arc::new(FixedClock(
        DateTime::from_timestamp(1_795_000_000, 0).expect("a date"),
    ));
    let db = Db::connect(postgres.url(), 2, clock)
        .await
        .expect("connected");
    let owner = Database::connect(postgres.url()).await.expect("connected");
    for slug in ["alpha", "beta"] {
        create(&db, slug).await.expect("created");
    }
    owner
        .execute_unprepared(
            "INSERT INTO customer (tenant_id, slug, name, see_devices, created_at)
               SELECT tenant_id, 'bosch', 'Bosch', slug = 'alpha', now() FROM tenant;
             INSERT INTO customer (tenant_id, slug, name, created_at)
               SELECT tenant_id, 'dyer', 'Dyer', now() FROM tenant WHERE slug = 'beta';
             INSERT INTO segment_grant (tenant_id, subject, customer_id, created_at)
               SELECT tenant_id, 'eve', customer_id, now() FROM customer",
        )
        .await
        .expect("inserted");
    Fixture {
        _postgres: postgres,
        owner,
        db,
    }
}

async fn create(db: &Db, slug: &str) -> domain::Result<tenant::Tenant> {
    let cx = db.system().await?;
    let new = NewTenant {
        slug: slug.into(),
        name: slug.to_uppercase(),
        simulated: false,
    };
    let tenant = tenant::create(&cx, new).await?;
    cx.commit().await?;
    Ok(tenant)
}

async fn scope(db: &Db, tenant: &str, role: Role, customer: Option<&str>) -> domain::Result<Scope> {
    let customer = customer.map(str::to_owned);
    resolve(
        db,
        &VerifiedClaims::new("eve".into(), tenant.into(), role, customer)?,
    )
    .await
}

#[tokio::test]
async fn a_customer_user_sees_its_customer_behind_its_switches_and_its_own_tenants_grants() {
    let fixture = fixture().await;
    let alpha = scope(&fixture.db, "alpha", Role::CustomerUser, Some("bosch"))
        .await
        .expect("known");
    assert!(alpha.visibility().devices && !alpha.visibility().sims);
    let Segments::Part(segment) = alpha.segments() else {
        panic!("a part")
    };
    assert!(segment.within.is_some());
    assert_eq!(
        segment.customers.len(),
        1,
        "grants of beta do not count in alpha"
    );
    let beta = scope(&fixture.db, "beta", Role::Viewer, None)
        .await
        .expect("known");
    let Segments::Part(segment) = beta.segments() else {
        panic!("a part")
    };
    assert_eq!((segment.within, segment.customers.len()), (None, 2));
    let staff = scope(&fixture.db, "beta", Role::Support, None)
        .await
        .expect("known");
    assert_eq!(staff.segments(), &Segments::All);
}

#[tokio::test]
async fn unknown_tenants_and_other_tenants_customers_are_nobody() {
    let fixture = fixture().await;
    for (tenant, role, customer) in [
        ("gamma", Role::TenantAdmin, None),
        ("alpha", Role::CustomerUser, Some("dyer")),
        ("alpha", Role::Viewer, Some("nobody")),
    ] {
        let error = scope(&fixture.db, tenant, role, customer)
            .await
            .expect_err("nobody");
        assert_eq!(error.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn a_switch_counts_from_the_next_request_on() {
    let fixture = fixture().await;
    let sql = "UPDATE customer SET see_sims = true; DELETE FROM segment_grant";
    fixture
        .owner
        .execute_unprepared(sql)
        .await
        .expect("updated");
    let user = scope(&fixture.db, "alpha", Role::CustomerUser, Some("bosch"))
        .await
        .expect("known");
    assert!(user.visibility().sims);
    let viewer = scope(&fixture.db, "alpha", Role::Viewer, None)
        .await
        .expect("known");
    assert!(matches!(viewer.segments(), Segments::Part(segment) if segment.is_empty()));
}

#[tokio::test]
async fn a_slug_and_a_name_are_taken_once() {
    let fixture = fixture().await;
    let again = create(&fixture.db, "alpha").await.expect_err("taken");
    assert_eq!(again.code(), Code::Conflict);
    let cx = fixture.db.system().await.expect("opened");
    let new = NewTenant {
        slug: "third".into(),
        name: "BETA".into(),
        simulated: false,
    };
    assert_eq!(
        tenant::create(&cx, new).await.map_err(|e| e.code()),
        Err(Code::Conflict)
    );
    for slug in ["", "UPPER", "a b", "a\0b"] {
        let code = create(&fixture.db, slug).await.map_err(|e| e.code());
        assert_eq!(code.map(|_| ()), Err(Code::InvalidInput));
    }
    let cx = fixture.db.system().await.expect("opened");
    assert_eq!(
        tenant::find(&cx, "alpha")
            .await
            .expect("read")
            .map(|t| t.name),
        Some("ALPHA".into())
    );
    assert_eq!(tenant::find(&cx, "a\0b").await.expect("read"), None);
}

async fn audited(fixture: &Fixture) -> Vec<String> {
    let sql = "SELECT action || ' ' || actor || ' ' || (detail ->> 'operation') AS line FROM audit \
               WHERE action = 'tenant.cross'";
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let rows = fixture.owner.query_all_raw(statement).await.expect("read");
    rows.iter()
        .map(|row| row.try_get("", "line").expect("text"))
        .collect()
}

#[tokio::test]
async fn platform_staff_leave_a_trace_and_staff_of_the_tenant_do_not() {
    let fixture = fixture().await;
    let admin = scope(&fixture.db, "alpha", Role::PlatformAdmin, None)
        .await
        .expect("known");
    audit::crossing(&fixture.db, &admin, "Usage")
        .await
        .expect("written");
    let own = scope(&fixture.db, "alpha", Role::TenantAdmin, None)
        .await
        .expect("known");
    audit::crossing(&fixture.db, &own, "Usage")
        .await
        .expect("nothing to write");
    assert_eq!(audited(&fixture).await, ["tenant.cross eve Usage"]);
}

#[tokio::test]
async fn the_trace_cannot_be_removed() {
    let fixture = fixture().await;
    for role in ["simcube_app", "simcube_system"] {
        for change in ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"] {
            let sql = format!("SET ROLE {role}; {change}");
            assert!(
                fixture.owner.execute_unprepared(&sql).await.is_err(),
                "{role} may {change}"
            );
            fixture
                .owner
                .execute_unprepared("RESET ROLE")
                .await
                .expect("reset");
        }
    }
}
