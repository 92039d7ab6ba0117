//! What the catalogue says of every table of a tenant.

use testkit::postgres;

use crate::support::{TENANT_TABLE, connect, strings};

/// Tables that belong to no tenant. Every other table must be a tenant's.
const SHARED: [&str; 14] = [
    "intake_batch",
    "intake_correction",
    "intake_filter",
    "intake_identity",
    "intake_mark",
    "intake_month",
    "link_key",
    "network",
    "seaql_migrations",
    "store_identity",
    "topic_account",
    "topic_passage",
    "topic_position",
    "topic_quarantine",
];

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
