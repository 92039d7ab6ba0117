//! Connections, questions and two tenants.

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use testkit::{PostgresDb, postgres};

pub(crate) async fn connect(db: &PostgresDb) -> DatabaseConnection {
    let mut options = ConnectOptions::new(db.url());
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

pub(crate) async fn strings(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

pub(crate) async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let sql = Statement::from_string(DbBackend::Postgres, sql);
    db.query_one_raw(sql)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

/// Condition on `pg_class c`: a table of this schema that carries a tenant.
pub(crate) const TENANT_TABLE: &str =
    "c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')";

pub(crate) const ALPHA: &str = "00000000-0000-7000-8000-00000000000a";
pub(crate) const BETA: &str = "00000000-0000-7000-8000-00000000000b";
pub(crate) const BETA_CUSTOMER: &str = "00000000-0000-7000-8000-0000000000bc";

pub(crate) async fn two_tenants() -> PostgresDb {
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

pub(crate) fn customer(tenant: &str, slug: &str) -> String {
    format!(
        "INSERT INTO customer (tenant_id, slug, name, created_at) VALUES ('{tenant}', '{slug}', '{slug}', now())"
    )
}

pub(crate) async fn act_as(connection: &DatabaseConnection, tenant: &str) {
    connection
        .execute_unprepared("SET ROLE simcube_app")
        .await
        .unwrap();
    connection
        .execute_unprepared(&format!("SET app.tenant_id = '{tenant}'"))
        .await
        .unwrap();
}
