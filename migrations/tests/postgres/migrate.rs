//! Migrating up, down, twice and at once.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};
use testkit::{PostgresDb, empty_postgres, postgres};

use crate::support::{ALPHA, BETA, BETA_CUSTOMER, connect, number, strings, two_tenants};

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
