//! From verified claims to a scope, tenants, and the trace that platform staff leave.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use domain::{
    Code, Db, FixedClock, ReadCx, Role, Scope, audit,
    customer::{Customer, CustomerFilter},
    grant::{self, GrantTarget},
    identity::{Known, VerifiedClaims},
    list::{List as _, Order},
    network,
    paging::PageRequest,
    scope::Segments,
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use testkit::PostgresDb;

struct Fixture {
    _postgres: PostgresDb,
    owner: DatabaseConnection,
    db: Db,
    known: Known,
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
        known: Known::default(),
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

fn claims(
    subject: &str,
    tenant: &str,
    role: Role,
    customer: Option<&str>,
) -> domain::Result<VerifiedClaims> {
    let customer = customer.map(str::to_owned);
    VerifiedClaims::new(subject.into(), tenant.into(), role, customer)
}

impl Fixture {
    async fn open(
        &self,
        tenant: &str,
        role: Role,
        customer: Option<&str>,
    ) -> domain::Result<ReadCx> {
        let claims = claims("eve", tenant, role, customer)?;
        self.known.open(&self.db, &claims).await
    }

    async fn scope(
        &self,
        tenant: &str,
        role: Role,
        customer: Option<&str>,
    ) -> domain::Result<Scope> {
        Ok(self.open(tenant, role, customer).await?.scope().clone())
    }

    async fn change(&self, sql: &str) {
        self.owner.execute_unprepared(sql).await.expect("changed");
    }
}

#[tokio::test]
async fn a_customer_user_sees_its_customer_behind_its_switches_and_its_own_tenants_grants() {
    let fixture = fixture().await;
    let alpha = fixture
        .scope("alpha", Role::CustomerUser, Some("bosch"))
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
    let beta = fixture
        .scope("beta", Role::Viewer, None)
        .await
        .expect("known");
    let Segments::Part(segment) = beta.segments() else {
        panic!("a part")
    };
    assert_eq!((segment.within, segment.customers.len()), (None, 2));
    let staff = fixture
        .scope("beta", Role::Support, None)
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
        let error = fixture
            .scope(tenant, role, customer)
            .await
            .expect_err("nobody");
        assert_eq!(error.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn what_changes_about_a_caller_counts_from_the_next_request_on() {
    let fixture = fixture().await;
    let user = async || {
        fixture
            .scope("alpha", Role::CustomerUser, Some("bosch"))
            .await
    };
    let viewer = async || match fixture.scope("alpha", Role::Viewer, None).await {
        Ok(scope) => scope.segments().clone(),
        Err(error) => panic!("{error}"),
    };
    // Both are known from here on.
    assert!(!user().await.expect("known").visibility().sims);
    assert!(matches!(viewer().await, Segments::Part(segment) if segment.customers.len() == 1));

    for switch in ["devices", "sims", "sessions", "usage", "billing"] {
        for open in [true, false] {
            fixture
                .change(&format!("UPDATE customer SET see_{switch} = {open}"))
                .await;
            let seen = user().await.expect("known").visibility();
            let seen = match switch {
                "devices" => seen.devices,
                "sims" => seen.sims,
                "sessions" => seen.sessions,
                "usage" => seen.usage,
                _ => seen.billing,
            };
            assert_eq!(seen, open, "{switch}");
        }
    }
    fixture.change("DELETE FROM segment_grant").await;
    assert!(matches!(viewer().await, Segments::Part(segment) if segment.is_empty()));
    fixture
        .change(
            "INSERT INTO segment_grant (tenant_id, subject, customer_id, created_at)
               SELECT tenant_id, 'eve', customer_id, now() FROM customer",
        )
        .await;
    assert!(matches!(viewer().await, Segments::Part(segment) if segment.customers.len() == 1));
    fixture
        .change("UPDATE segment_grant SET subject = 'adam'")
        .await;
    assert!(matches!(viewer().await, Segments::Part(segment) if segment.is_empty()));
    fixture
        .change("UPDATE customer SET archived_at = now()")
        .await;
    let gone = user().await.map_err(|error| error.code());
    assert_eq!(gone.err(), Some(Code::Unauthenticated));
    fixture
        .change("UPDATE customer SET archived_at = NULL")
        .await;
    assert!(user().await.is_ok());
    fixture
        .change("DELETE FROM segment_grant; DELETE FROM customer")
        .await;
    assert!(user().await.is_err());
}

#[tokio::test]
async fn a_snapshot_for_somebody_who_was_here_takes_one_round_trip_until_something_changes() {
    let fixture = fixture().await;
    let open = async || {
        fixture
            .open("alpha", Role::CustomerUser, Some("bosch"))
            .await
    };
    // Nobody's grants can be looked at meanwhile: who is let in is known.
    let is_known = async || {
        let grants = "SELECT ON segment_grant";
        fixture
            .change(&format!("REVOKE {grants} FROM simcube_system"))
            .await;
        let opened = open().await;
        fixture
            .change(&format!("GRANT {grants} TO simcube_system"))
            .await;
        opened.is_ok()
    };
    assert!(!is_known().await);
    for _ in 0..2 {
        // The statement that opens a tenant, and the versions, which travel with it.
        let cx = open().await.expect("opened");
        assert_eq!((cx.trips(), cx.statements()), (1, 2));
    }
    // What decides nothing about callers changes nothing: a name, a new customer.
    fixture
        .change(
            "UPDATE customer SET name = name || '!';
             INSERT INTO customer (tenant_id, slug, name, created_at)
               SELECT tenant_id, 'acme', 'Acme', now() FROM tenant",
        )
        .await;
    assert!(is_known().await);
    fixture
        .change("UPDATE customer SET see_usage = true WHERE slug = 'acme'")
        .await;
    assert!(!is_known().await);
    assert!(open().await.is_ok() && is_known().await);
}

#[tokio::test]
async fn a_network_is_asked_for_once_until_its_row_changes() {
    let fixture = fixture().await;
    let name = async |tenant: &str| {
        let cx = fixture.open(tenant, Role::TenantAdmin, None).await;
        let cx = cx.expect("opened");
        let before = cx.statements();
        let mut found = network::by_plmns(&cx, &["262-01".into()])
            .await
            .expect("looked up");
        let name = found.remove("262-01").map(|network| network.name);
        (name, cx.statements() - before)
    };
    let was = name("alpha").await;
    assert_eq!(was, (Some("Telekom".into()), 1));
    assert_eq!(name("alpha").await, (was.0.clone(), 0));
    // Another tenant's versions are others.
    assert_eq!(name("beta").await, (was.0.clone(), 1));
    fixture
        .change("BEGIN; UPDATE network SET name = 'Nobody'; ROLLBACK")
        .await;
    assert_eq!(name("alpha").await, (was.0.clone(), 0));
    let renamed = "UPDATE network SET name = 'Somebody' WHERE plmn = '262-01'";
    fixture.change(renamed).await;
    for tenant in ["alpha", "beta"] {
        assert_eq!(name(tenant).await, (Some("Somebody".into()), 1));
        assert_eq!(name(tenant).await, (Some("Somebody".into()), 0));
    }
    let gone = "DELETE FROM network WHERE plmn = '262-01'";
    fixture.change(gone).await;
    assert_eq!(name("alpha").await, (None, 1));
}

#[tokio::test]
async fn scopes_of_ten_thousand_callers_with_grants_stay_within_their_bound() {
    let fixture = fixture().await;
    fixture
        .change(
            "INSERT INTO customer (tenant_id, slug, name, created_at)
               SELECT tenant_id, 'c' || n, 'C ' || n, now() FROM tenant, generate_series(1, 200) AS n WHERE slug = 'alpha';
             INSERT INTO segment_grant (tenant_id, subject, customer_id, created_at)
               SELECT tenant_id, 'everybody' || n, customer_id, now() FROM customer, generate_series(1, 50) AS n",
        )
        .await;
    for n in 0..10_000 {
        // Each is somebody else to the cache: another customer's token.
        let (subject, customer) = (
            format!("everybody{}", n / 200 + 1),
            format!("c{}", n % 200 + 1),
        );
        let claims = claims(&subject, "alpha", Role::Viewer, Some(&customer));
        let opened = fixture
            .known
            .open(&fixture.db, &claims.expect("claims"))
            .await;
        opened.expect("known");
    }
    let bytes = fixture.known.bytes();
    assert!((8 << 20..=16 << 20).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn requests_that_are_dropped_leave_every_connection_idle() {
    let fixture = fixture().await;
    let claims = claims("eve", "alpha", Role::TenantAdmin, None).expect("claims");
    for n in 0..1_000_u32 {
        let request = async {
            let cx = fixture.known.open(&fixture.db, &claims).await?;
            let page = PageRequest::relay(Some(10), None, None, None)?;
            let customers = CustomerFilter::default();
            Customer::page(&cx, &customers, Order::default(), &page).await
        };
        // Broken off at every place in turn: each time that it is polled it comes a little further.
        let mut request = std::pin::pin!(request);
        for _ in 0..n % 8 {
            if futures::poll!(request.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name = 'simcube' AND state LIKE 'idle in transaction%'";
    let busy = async || {
        let row = fixture
            .owner
            .query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
        let row = row.await.expect("an answer").expect("a row");
        row.try_get_by_index::<i64>(0).expect("a number")
    };
    // All connections are asked for, so that none is on its way back; then they are looked at.
    let all = (fixture.db.system().await, fixture.db.system().await);
    drop(all);
    let idle = async {
        while busy().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    let idle = tokio::time::timeout(Duration::from_secs(10), idle).await;
    idle.expect("no connection is left in a transaction");
    let cx = fixture
        .known
        .open(&fixture.db, &claims)
        .await
        .expect("a connection");
    assert_eq!(cx.trips(), 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn grants_that_are_made_and_revoked_at_once_wait_for_each_other() {
    let fixture = fixture().await;
    fixture
        .change(
            "INSERT INTO customer (tenant_id, slug, name, created_at)
               SELECT tenant_id, 'c' || n, 'C ' || n, now() FROM tenant, generate_series(1, 200) AS n WHERE slug = 'alpha'",
        )
        .await;
    let admin = fixture.scope("alpha", Role::TenantAdmin, None).await;
    let admin = admin.expect("known");
    let page = PageRequest::relay(Some(200), None, None, None).expect("a page");
    let cx = fixture.db.read(&admin).await.expect("opened");
    let page = Customer::page(&cx, &CustomerFilter::default(), Order::default(), &page).await;
    drop(cx);
    let customers = page.expect("a page").rows.into_iter();
    let targets: Vec<_> = customers
        .map(|(_, customer)| GrantTarget::Customer(customer.id))
        .collect();
    let write = async || fixture.db.write(&admin).await.expect("opened");
    let add = async || grant::add(write().await, "zoe", targets.clone()).await;
    let mut grants = add().await.expect("granted");
    grants.sort_by_key(|grant| grant.target);
    let (first, last) = (grants[0].id, grants[grants.len() - 1].id);
    grant::revoke(write().await, first).await.expect("revoked");
    // What is granted first is new, and what is granted last is being revoked.
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        grant::revoke(write().await, last).await
    };
    let (granted, revoked) = tokio::join!(add(), revoke);
    granted.expect("granted");
    revoked.expect("revoked");
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
    let admin = fixture
        .scope("alpha", Role::PlatformAdmin, None)
        .await
        .expect("known");
    audit::crossing(&fixture.db, &admin, "Usage")
        .await
        .expect("written");
    let own = fixture
        .scope("alpha", Role::TenantAdmin, None)
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
