//! The rules of the Postgres schema, checked on a real server against its own catalogue.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use testkit::{PostgresDb, empty_postgres, postgres};

/// Tables that belong to no tenant. Every other table must be a tenant's.
const SHARED: [&str; 8] = [
    "intake_batch",
    "intake_correction",
    "intake_filter",
    "intake_identity",
    "intake_mark",
    "intake_month",
    "network",
    "seaql_migrations",
];

async fn connect(db: &PostgresDb) -> DatabaseConnection {
    let mut options = ConnectOptions::new(db.url());
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn strings(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let sql = Statement::from_string(DbBackend::Postgres, sql);
    db.query_one_raw(sql)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

/// Everything that a migration can leave behind in a database, by name.
async fn contents(db: &DatabaseConnection) -> Vec<String> {
    strings(
        db,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'i', 'S', 'v')
         UNION ALL SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
             AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
         ORDER BY 1",
    )
    .await
}

/// Takes back a migration and those after it.
async fn take_back(db: &PostgresDb, first: &str) {
    let known = migrations::status(db.url()).await.unwrap();
    let from = known.iter().position(|m| m.name == first).unwrap();
    let steps = u32::try_from(known.len() - from).unwrap();
    migrations::down(db.url(), Some(steps)).await.unwrap();
}

async fn all_applied(db: &PostgresDb) -> bool {
    migrations::status(db.url())
        .await
        .unwrap()
        .iter()
        .all(|migration| migration.applied)
}

#[tokio::test]
async fn up_down_and_up_again_ends_where_it_began() {
    let db = empty_postgres();
    assert!(
        migrations::status(db.url())
            .await
            .unwrap()
            .iter()
            .all(|migration| !migration.applied)
    );
    migrations::up(db.url()).await.unwrap();
    let connection = connect(&db).await;
    let first = contents(&connection).await;
    assert!(all_applied(&db).await);

    // What a program makes goes with what it was made from.
    let month = "SELECT open_intake_month(677, now())";
    connection.execute_unprepared(month).await.unwrap();
    assert!(contents(&connection).await.len() > first.len());
    migrations::down(db.url(), None).await.unwrap();
    assert_eq!(
        contents(&connection).await,
        ["seaql_migrations", "seaql_migrations_pkey"]
    );

    migrations::up(db.url()).await.unwrap();
    assert_eq!(contents(&connection).await, first);
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let db = empty_postgres();
    migrations::up(db.url()).await.unwrap();
    let connection = connect(&db).await;
    let moment =
        "SELECT string_agg(version || applied_at, ',' ORDER BY version) FROM seaql_migrations";
    let (tables, applied) = (
        contents(&connection).await,
        strings(&connection, moment).await,
    );
    migrations::up(db.url()).await.unwrap();
    assert_eq!(contents(&connection).await, tables);
    assert_eq!(strings(&connection, moment).await, applied);
}

#[tokio::test]
async fn servers_that_start_at_once_migrate_once() {
    let db = empty_postgres();
    let starts = (0..4).map(|_| {
        let url = db.url().to_owned();
        tokio::spawn(async move { migrations::up(&url).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    assert!(all_applied(&db).await);
    let connection = connect(&db).await;
    let known = i64::try_from(migrations::status(db.url()).await.unwrap().len()).unwrap();
    assert_eq!(
        number(&connection, "SELECT count(*) FROM seaql_migrations").await,
        known
    );
}

#[tokio::test]
async fn databases_of_one_cluster_can_be_migrated_at_once() {
    let databases: Vec<_> = (0..3).map(|_| empty_postgres()).collect();
    let starts = databases.iter().map(|db| {
        let url = db.url().to_owned();
        tokio::spawn(async move { migrations::up(&url).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let db = postgres();
    connect(&db)
        .await
        .execute_unprepared("INSERT INTO seaql_migrations VALUES ('m9999_future', 0)")
        .await
        .unwrap();
    let error = migrations::up(db.url()).await.unwrap_err();
    assert!(
        matches!(error, migrations::Error::NewerSchema(_)),
        "{error}"
    );
    assert!(error.to_string().contains("m9999_future"), "{error}");
}

#[tokio::test]
async fn usage_that_an_unreleased_version_took_in_is_refused_with_a_sentence() {
    let db = postgres();
    take_back(&db, "m0005_counted_by_evidence").await;
    let old = format!(
        "INSERT INTO tenant (tenant_id, slug, name, created_at) VALUES ('{ALPHA}', 'alpha', 'alpha', now());
         INSERT INTO intake_batch (tenant_id, batch_id, source, rows, created_at)
             VALUES ('{ALPHA}', uuidv7(), 'pgw-1', 1, now())"
    );
    connect(&db).await.execute_unprepared(&old).await.unwrap();
    let error = migrations::up(db.url()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "migrating Postgres failed: this database has usage that an unreleased version took in: start with an empty one"
    );
}

#[tokio::test]
async fn a_device_that_is_there_has_belonged_to_its_customer_ever_since() {
    let db = two_tenants().await;
    take_back(&db, "m0006_device_customer").await;
    let connection = connect(&db).await;
    let devices = format!(
        "INSERT INTO device (tenant_id, name, state, customer_id, created_at, updated_at)
         VALUES ('{BETA}', 'owned', 'ACTIVE', '{BETA_CUSTOMER}', now(), now()),
                ('{BETA}', 'spare', 'ACTIVE', NULL, now(), now())"
    );
    connection.execute_unprepared(&devices).await.unwrap();
    migrations::up(db.url()).await.unwrap();
    let history = "SELECT name || ' ' || h.customer_id || ' ' || valid FROM device_customer h
                   JOIN device USING (tenant_id, device_id)";
    let expected = format!("owned {BETA_CUSTOMER} [-infinity,)");
    assert_eq!(strings(&connection, history).await, [expected]);
}

#[tokio::test]
async fn a_device_belongs_to_one_customer_at_a_time() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    let device = "00000000-0000-7000-8000-0000000000d1";
    let history = format!(
        "INSERT INTO device (tenant_id, device_id, name, state, created_at, updated_at)
         VALUES ('{BETA}', '{device}', 'meter', 'ACTIVE', now(), now());
         INSERT INTO device_customer VALUES ('{BETA}', '{device}', '{BETA_CUSTOMER}', '[2026-01-01,2026-02-01)')"
    );
    connection.execute_unprepared(&history).await.unwrap();
    let also = |from: &str| {
        format!(
            "INSERT INTO device_customer VALUES ('{BETA}', '{device}', '{BETA_CUSTOMER}', '[{from},)')"
        )
    };
    let twice = connection.execute_unprepared(&also("2026-01-31")).await;
    let error = twice.unwrap_err().to_string();
    assert!(error.contains("device_customer_pkey"), "{error}");
    let after = connection.execute_unprepared(&also("2026-02-01")).await;
    assert!(after.is_ok());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_sentence() {
    let error = migrations::up("postgres://nobody:hidden@127.0.0.1:1/none")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot connect to Postgres: "),
        "{error}"
    );
    assert!(!error.to_string().contains("hidden"), "{error}");
}

#[tokio::test]
async fn the_reference_networks_are_loaded_with_their_source() {
    let db = postgres();
    let connection = connect(&db).await;
    let expected = i64::try_from(migrations::networks().len()).unwrap();
    assert_eq!(
        number(&connection, "SELECT count(*) FROM network").await,
        expected
    );
    let source = "SELECT DISTINCT source || ' ' || source_version FROM network";
    let known = format!(
        "{} {}",
        migrations::network::SOURCE,
        migrations::network::SOURCE_VERSION
    );
    assert_eq!(strings(&connection, source).await, [known]);
    let telekom = "SELECT name FROM network WHERE plmn = '262-01' AND country_code = 'DE'";
    assert_eq!(strings(&connection, telekom).await, ["Telekom"]);
}

#[tokio::test]
async fn every_table_that_is_not_shared_carries_a_tenant() {
    let db = postgres();
    let connection = connect(&db).await;
    let without = strings(
        &connection,
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
         AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
             AND a.attnotnull AND a.atttypid = 'uuid'::regtype)
         ORDER BY 1",
    )
    .await;
    assert_eq!(without, SHARED);
}

#[tokio::test]
async fn row_security_is_forced_on_every_tenant_table() {
    let db = postgres();
    let connection = connect(&db).await;
    let without = strings(
        &connection,
        &format!(
            "SELECT c.relname::text FROM pg_class c WHERE {TENANT_TABLE}
             AND NOT (c.relrowsecurity AND c.relforcerowsecurity
                AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = c.relname || '_tenant'
                    AND p.polcmd = '*' AND p.polroles = ARRAY['simcube_app'::regrole::oid]
                    AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = current_tenant())'
                    AND pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) = '(tenant_id = current_tenant())')
                AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = c.relname || '_system'
                    AND p.polroles = ARRAY['simcube_system'::regrole::oid])
                AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) = 2)"
        ),
    )
    .await;
    assert_eq!(without, Vec::<String>::new());
}

#[tokio::test]
async fn every_reference_between_tenant_tables_carries_the_tenant() {
    let db = postgres();
    let connection = connect(&db).await;
    let without = strings(
        &connection,
        "SELECT k.conname::text FROM pg_constraint k
         JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attname = 'tenant_id'
         JOIN pg_attribute parent ON parent.attrelid = k.confrelid AND parent.attname = 'tenant_id'
         WHERE k.contype = 'f' AND NOT EXISTS (
             SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there)
             WHERE pair.here = own.attnum AND pair.there = parent.attnum)",
    )
    .await;
    assert_eq!(without, Vec::<String>::new());
}

#[tokio::test]
async fn every_tenant_table_leads_back_to_its_tenant() {
    let db = postgres();
    let connection = connect(&db).await;
    let orphans = strings(
        &connection,
        &format!(
            "WITH RECURSIVE reached AS (
                 SELECT 'tenant'::regclass::oid AS id
                 UNION SELECT k.conrelid FROM pg_constraint k JOIN reached ON k.confrelid = reached.id WHERE k.contype = 'f')
             SELECT c.relname::text FROM pg_class c WHERE {TENANT_TABLE} AND c.oid NOT IN (SELECT id FROM reached)"
        ),
    )
    .await;
    assert_eq!(orphans, Vec::<String>::new());
}

#[tokio::test]
async fn every_tenant_table_has_an_index_that_leads_with_the_tenant() {
    let db = postgres();
    let connection = connect(&db).await;
    let without = strings(
        &connection,
        &format!(
            "SELECT c.relname::text FROM pg_class c WHERE {TENANT_TABLE}
             AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = c.oid AND a.attname = 'tenant_id')"
        ),
    )
    .await;
    assert_eq!(without, Vec::<String>::new());
}

#[tokio::test]
async fn the_roles_can_neither_log_in_nor_get_around_row_security() {
    let db = postgres();
    let connection = connect(&db).await;
    let strong = strings(
        &connection,
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'simcube\\_%'
         AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)",
    )
    .await;
    assert_eq!(strong, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_tenant_the_application_sees_and_writes_nothing() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    connection
        .execute_unprepared("SET ROLE simcube_app")
        .await
        .unwrap();
    for table in strings(
        &connection,
        &format!("SELECT c.relname::text FROM pg_class c WHERE {TENANT_TABLE}"),
    )
    .await
    {
        let count = number(&connection, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(count, 0, "{table}");
    }
    let written = connection
        .execute_unprepared(&customer(ALPHA, "acme"))
        .await
        .unwrap_err();
    assert!(
        written.to_string().contains("row-level security"),
        "{written}"
    );
}

#[tokio::test]
async fn the_application_sees_its_own_tenant_only() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    act_as(&connection, ALPHA).await;
    let seen = "SELECT tenant_id::text FROM customer UNION SELECT tenant_id::text FROM tenant";
    assert_eq!(strings(&connection, seen).await, [ALPHA]);
    let changed = connection
        .execute_unprepared("UPDATE customer SET name = 'mine'")
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    let foreign = connection
        .execute_unprepared(&customer(BETA, "acme"))
        .await
        .unwrap_err();
    assert!(
        foreign.to_string().contains("row-level security"),
        "{foreign}"
    );
}

#[tokio::test]
async fn identities_show_a_tenant_its_own_parts_and_nothing_else_of_intake_is_shown() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    let parts = format!(
        "SELECT open_intake_month(677, now());
         INSERT INTO intake_batch_tenant (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units,
                                          checksum, first_at, last_at, received_at)
             SELECT tenant_id, part, uuidv7(), 'COUNTED', 1, 0, 0, 0, 0, now(), now(), now()
             FROM (VALUES (uuid '{ALPHA}', (677::bigint << 40) + 1), ('{BETA}', (677::bigint << 40) + 2)) AS own (tenant_id, part);
         INSERT INTO intake_identity SELECT uuidv7(), 1, part, now() FROM intake_batch_tenant"
    );
    connection.execute_unprepared(&parts).await.unwrap();
    let seen = "SELECT part - (677::bigint << 40) FROM intake_identity";
    for (tenant, own) in [(ALPHA, 1), (BETA, 2)] {
        act_as(&connection, tenant).await;
        assert_eq!(number(&connection, seen).await, own);
        let count = "SELECT count(*) FROM intake_identity";
        assert_eq!(number(&connection, count).await, 1);
    }
    for closed in [
        "SELECT count(*) FROM intake_identity_677",
        "SELECT count(*) FROM intake_filter",
        "SELECT count(*) FROM intake_month",
        "SELECT count(*) FROM intake_batch",
        "SELECT count(*) FROM intake_mark",
        "SELECT open_intake_month(678, now())",
        "SELECT drop_intake_month(677)",
        "DELETE FROM intake_identity",
    ] {
        let error = connection.execute_unprepared(closed).await.unwrap_err();
        assert!(
            error.to_string().contains("permission denied"),
            "{closed}: {error}"
        );
    }
}

#[tokio::test]
async fn a_row_cannot_point_at_another_tenants_parent() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    act_as(&connection, ALPHA).await;
    let sim = format!(
        "INSERT INTO sim (tenant_id, iccid, state, customer_id, created_at, updated_at)
         VALUES ('{ALPHA}', '8949000000000000001', 'ACTIVE', '{BETA_CUSTOMER}', now(), now())"
    );
    let error = connection.execute_unprepared(&sim).await.unwrap_err();
    assert!(error.to_string().contains("sim_customer_fkey"), "{error}");
}

#[tokio::test]
async fn the_audit_log_can_only_grow() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    for role in ["simcube_app", "simcube_system"] {
        for change in ["UPDATE audit SET actor = 'me'", "DELETE FROM audit"] {
            connection
                .execute_unprepared(&format!("SET ROLE {role}"))
                .await
                .unwrap();
            let error = connection.execute_unprepared(change).await.unwrap_err();
            assert!(error.to_string().contains("permission denied"), "{error}");
        }
    }
}

#[tokio::test]
async fn every_change_of_whose_usage_it_is_raises_the_version_of_that_fleet_alone() {
    let db = two_tenants().await;
    let connection = connect(&db).await;
    let version = async |tenant: &str| {
        let sql = format!("SELECT fleet_version FROM tenant WHERE tenant_id = '{tenant}'");
        number(&connection, &sql).await
    };
    let (sim, device) = (
        "00000000-0000-7000-8000-000000000051",
        "00000000-0000-7000-8000-0000000000d1",
    );
    let key = format!("'{BETA}', '{sim}'");
    let deciding = [
        format!(
            "INSERT INTO sim (tenant_id, sim_id, iccid, state, created_at, updated_at)
                 VALUES ({key}, '8949000000000000001', 'ACTIVE', now(), now())"
        ),
        "UPDATE sim SET iccid = '8949000000000000002'".into(),
        format!("INSERT INTO sim_customer VALUES ({key}, '{BETA_CUSTOMER}', '[2026-01-01,)')"),
        "UPDATE sim_customer SET valid = '[2026-02-01,)'".into(),
        "DELETE FROM sim_customer".into(),
        format!(
            "INSERT INTO device (tenant_id, device_id, name, state, created_at, updated_at)
                 VALUES ('{BETA}', '{device}', 'meter', 'ACTIVE', now(), now());
                 INSERT INTO sim_device VALUES ({key}, '{device}', '[2026-01-01,)')"
        ),
        "UPDATE sim_device SET valid = '[2026-02-01,)'".into(),
        "DELETE FROM sim_device".into(),
        "DELETE FROM sim".into(),
    ];
    let (mut before, of_alpha) = (version(BETA).await, version(ALPHA).await);
    for (n, change) in deciding.iter().enumerate() {
        if n == 1 {
            // What decides nothing: the version stays.
            let other = "UPDATE sim SET state = 'SUSPENDED', iccid = iccid; UPDATE customer SET name = name";
            connection.execute_unprepared(other).await.unwrap();
            assert_eq!(version(BETA).await, before);
        }
        connection.execute_unprepared(change).await.unwrap();
        let after = version(BETA).await;
        assert!(after > before, "{change}");
        before = after;
    }
    assert_eq!(version(ALPHA).await, of_alpha);
}

/// Condition on `pg_class c`: a table of this schema that carries a tenant.
const TENANT_TABLE: &str = "c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')";

const ALPHA: &str = "00000000-0000-7000-8000-00000000000a";
const BETA: &str = "00000000-0000-7000-8000-00000000000b";
const BETA_CUSTOMER: &str = "00000000-0000-7000-8000-0000000000bc";

async fn two_tenants() -> PostgresDb {
    let db = postgres();
    let connection = connect(&db).await;
    for (tenant, slug) in [(ALPHA, "alpha"), (BETA, "beta")] {
        let sql = format!(
            "INSERT INTO tenant (tenant_id, slug, name, created_at) VALUES ('{tenant}', '{slug}', '{slug}', now())"
        );
        connection.execute_unprepared(&sql).await.unwrap();
        connection
            .execute_unprepared(&customer(tenant, "bosch"))
            .await
            .unwrap();
    }
    let parent =
        format!("UPDATE customer SET customer_id = '{BETA_CUSTOMER}' WHERE tenant_id = '{BETA}'");
    connection.execute_unprepared(&parent).await.unwrap();
    db
}

fn customer(tenant: &str, slug: &str) -> String {
    format!(
        "INSERT INTO customer (tenant_id, slug, name, created_at) VALUES ('{tenant}', '{slug}', '{slug}', now())"
    )
}

async fn act_as(connection: &DatabaseConnection, tenant: &str) {
    connection
        .execute_unprepared("SET ROLE simcube_app")
        .await
        .unwrap();
    connection
        .execute_unprepared(&format!("SET app.tenant_id = '{tenant}'"))
        .await
        .unwrap();
}
