//! What the roles see and change, and which fleet a change is of.

use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::support::{
    ALPHA, BETA, BETA_CUSTOMER, TENANT_TABLE, act_as, connect, customer, number, strings,
    two_tenants,
};

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
        "SELECT count(*) FROM topic_position",
        "SELECT count(*) FROM topic_account",
        "SELECT count(*) FROM topic_passage",
        "SELECT count(*) FROM topic_quarantine",
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
