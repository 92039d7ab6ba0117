//! Statements that are prepared have plans that serve every tenant: they are made without looking at the values.
#![cfg(test)]

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use strum::VariantArray as _;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use uuid::Uuid;

use crate::{
    Db, ReadCx, Result, Role, SystemClock, assignment,
    customer::{self, Customer},
    device::{self, Device},
    filter::Filter,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identity::{Known, VerifiedClaims},
    label::{self, LabelDefinition},
    list::{List, Order, Question},
    paging::{Direction, PageRequest},
    sim::{self, Sim},
    version,
};

/// Two tenants, of 10 and of 300,000 SIMs, and what hangs on them.
const FILL: &str = "
    SET session_replication_role = replica;
    INSERT INTO tenant (tenant_id, slug, name, simulated, created_at)
      SELECT lpad(t::text, 32, '0')::uuid, 't' || t, 'T ' || t, false, now() FROM generate_series(1, 2) AS t;
    INSERT INTO customer (tenant_id, customer_id, slug, name, created_at)
      SELECT tenant_id, lpad(n::text, 32, '0')::uuid, 'c' || n, 'C ' || n, now() FROM tenant, generate_series(1, 200) AS n;
    INSERT INTO label_definition (tenant_id, label_id, key, created_at)
      SELECT tenant_id, lpad(n::text, 32, '0')::uuid, 'k' || n, now() FROM tenant, generate_series(1, 10) AS n;
    CREATE TEMPORARY TABLE fleet AS
      SELECT lpad(t::text, 32, '0')::uuid AS tenant_id, t, n, lpad(n::text, 32, '0')::uuid AS id
      FROM generate_series(1, 2) AS t, generate_series(1, CASE t WHEN 1 THEN 10 ELSE 300000 END) AS n;
    INSERT INTO sim (tenant_id, sim_id, iccid, state, customer_id, created_at, updated_at)
      SELECT tenant_id, id, '89' || t || lpad(n::text, 17, '0'), 'ACTIVE', lpad((n % 200 + 1)::text, 32, '0')::uuid,
             now() - n * interval '1 second', now() FROM fleet;
    INSERT INTO device (tenant_id, device_id, name, state, customer_id, created_at, updated_at)
      SELECT tenant_id, id, 'd' || n, 'ACTIVE', lpad((n % 200 + 1)::text, 32, '0')::uuid, now(), now() FROM fleet WHERE n % 3 = 1;
    INSERT INTO sim_label (tenant_id, sim_id, label_id, value)
      SELECT tenant_id, id, lpad((n % 10 + 1)::text, 32, '0')::uuid, 'v' || n % 7 FROM fleet;
    INSERT INTO device_label (tenant_id, device_id, label_id, value)
      SELECT tenant_id, id, lpad((n % 10 + 1)::text, 32, '0')::uuid, 'v' || n % 7 FROM fleet WHERE n % 3 = 1;
    ALTER TABLE sim_customer DROP CONSTRAINT sim_customer_pkey;
    ALTER TABLE sim_device DROP CONSTRAINT sim_device_pkey;
    INSERT INTO sim_customer (tenant_id, sim_id, customer_id, valid)
      SELECT tenant_id, id, lpad((n % 200 + 1)::text, 32, '0')::uuid, '[2026-01-01,)' FROM fleet;
    INSERT INTO sim_device (tenant_id, sim_id, device_id, valid)
      SELECT tenant_id, id, id, '[2026-01-01,)' FROM fleet WHERE n % 3 = 1;
    INSERT INTO device_customer (tenant_id, device_id, customer_id, valid)
      SELECT tenant_id, id, lpad((n % 200 + 1)::text, 32, '0')::uuid, '[2026-01-01,)' FROM fleet WHERE n % 3 = 1;
    ANALYZE;
";

/// What must never be read through to answer about a few rows.
const LARGE: [&str; 7] = [
    "sim",
    "device",
    "sim_label",
    "device_label",
    "sim_customer",
    "sim_device",
    "device_customer",
];

/// Pages by every order, both ways, from the start and from within.
async fn pages<T: List>(cx: &ReadCx, fields: impl IntoIterator<Item = T::Field>) -> Result<()> {
    for field in fields {
        for direction in [Direction::Asc, Direction::Desc] {
            let order = Order { field, direction };
            let first = PageRequest::relay(Some(50), None, None, None)?;
            let page = T::page(cx, &Filter::default(), order, &first).await?;
            let Some((cursor, _)) = page.rows.into_iter().nth(2) else {
                continue;
            };
            let next = PageRequest::relay(Some(50), Some(cursor), None, None)?;
            T::page(cx, &Filter::default(), order, &next).await?;
        }
    }
    Ok(())
}

/// The first rows of each of several lists, and how many there are.
fn of_each<C, F: Default>() -> Result<Question<C, F>> {
    Ok(Question {
        filter: Filter::default(),
        order: Order::default(),
        page: PageRequest::relay(Some(5), None, None, None)?,
        with_total: true,
    })
}

/// Everything that is asked about a page of each kind.
async fn ask(cx: &ReadCx) -> Result<()> {
    pages::<Sim>(cx, sim::SimOrderField::VARIANTS.iter().copied()).await?;
    pages::<Device>(cx, device::DeviceOrderField::VARIANTS.iter().copied()).await?;
    pages::<Customer>(cx, customer::CustomerOrderField::VARIANTS.iter().copied()).await?;
    pages::<LabelDefinition>(
        cx,
        label::LabelDefinitionOrderField::VARIANTS.iter().copied(),
    )
    .await?;
    let ids = || (1..=200).map(Uuid::from_u128);
    let sims: Vec<SimId> = ids().map(SimId::new).collect();
    let devices: Vec<DeviceId> = ids().map(DeviceId::new).collect();
    let customers: Vec<CustomerId> = ids().map(CustomerId::new).collect();
    Sim::count(cx, &Filter::default()).await?;
    Device::count(cx, &Filter::default()).await?;
    sim::by_ids(cx, &sims).await?;
    sim::by_devices(cx, &devices).await?;
    device::by_ids(cx, &devices).await?;
    device::by_sims(cx, &sims).await?;
    customer::by_ids(cx, &customers).await?;
    customer::sim_counts(cx, &customers).await?;
    label::by_sims(cx, &sims).await?;
    label::by_devices(cx, &devices).await?;
    sim::labels_of_page(cx, &of_each()?).await?;
    device::labels_of_page(cx, &of_each()?).await?;
    assignment::by_sims(cx, &sims).await?;
    assignment::by_devices(cx, &devices).await?;
    sim::by_customers(cx, &customers, &of_each()?).await?;
    device::by_customers(cx, &customers, &of_each()?).await?;
    Ok(())
}

/// The plan that is kept, which no value decides, as a caller of `tenant` gets it.
async fn plan(client: &Client, statement: &str) -> Value {
    let explain = format!("EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}");
    let answer = client.simple_query(&explain).await;
    let text: String = answer
        .unwrap_or_else(|error| panic!("{statement}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    serde_json::from_str(&text).expect("a plan")
}

/// Large tables that a plan reads through.
fn read_through(plan: &Value, found: &mut BTreeSet<String>) {
    match plan {
        Value::Array(parts) => parts.iter().for_each(|part| read_through(part, found)),
        Value::Object(node) => {
            let table = node.get("Relation Name").and_then(Value::as_str);
            if let Some(table) = table.filter(|table| LARGE.contains(table))
                && node["Node Type"] == "Seq Scan"
            {
                found.insert(table.to_owned());
            }
            node.values().for_each(|part| read_through(part, found));
        }
        _ => {}
    }
}

/// Tables that a plan reads, those of row security included.
fn relations(plan: &Value, found: &mut BTreeSet<String>) {
    match plan {
        Value::Array(parts) => parts.iter().for_each(|part| relations(part, found)),
        Value::Object(node) => {
            let table = node.get("Relation Name").and_then(Value::as_str);
            found.extend(table.map(str::to_owned));
            node.values().for_each(|part| relations(part, found));
        }
        _ => {}
    }
}

/// Whether a plan sorts: a page that does reads all that it could be cut from.
fn sorts(plan: &Value) -> bool {
    plan.to_string().contains(r#""Node Type":"Sort""#)
}

#[tokio::test]
async fn what_is_prepared_reads_no_large_table_through_and_pages_come_in_order() {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls)
        .await
        .expect("connected");
    tokio::spawn(connection);
    client.batch_execute(FILL).await.expect("filled");
    let db = Db::connect(postgres.url(), 1, Arc::new(SystemClock))
        .await
        .expect("connected");
    let tenant = TenantId::new(Uuid::from_u128(2));
    let claims = VerifiedClaims::new("eve".into(), "t2".into(), Role::TenantAdmin, None);
    let claims = claims.expect("claims");
    let cx = Known::default().open(&db, &claims).await;
    let cx = cx.expect("a snapshot");
    ask(&cx).await.expect("answers");
    let kept: Vec<(String,)> = cx
        .all(
            "SELECT statement FROM pg_prepared_statements WHERE statement ~ '^ *SELECT'",
            [],
        )
        .await
        .expect("statements");
    assert!(kept.len() > 20, "{kept:?}");
    let enter = format!(
        "RESET session_replication_role; SET ROLE simcube_app; SET app.tenant_id = '{}'",
        tenant.uuid()
    );
    client.batch_execute(&enter).await.expect("a caller");
    for (statement,) in kept {
        let plan = plan(&client, &statement).await;
        let mut read = BTreeSet::new();
        relations(&plan, &mut read);
        assert!(
            version::names_all(&statement, &read),
            "{statement} reads {read:?}"
        );
        let mut tables = BTreeSet::new();
        read_through(&plan, &mut tables);
        assert!(
            tables.is_empty(),
            "{statement} reads {tables:?} through: {plan}"
        );
        let is_large = [" FROM sim WHERE", " FROM device WHERE"];
        let is_large = is_large.iter().any(|from| statement.contains(from));
        let is_page = is_large && statement.contains(" LIMIT ") && !statement.contains("unnest");
        assert!(!(is_page && sorts(&plan)), "{statement} sorts: {plan}");
    }
}

#[tokio::test]
async fn every_table_of_a_caller_has_a_version_that_all_its_changes_raise() {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let tables = postgres.texts(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND has_table_privilege('simcube_app', oid, 'SELECT') ORDER BY 1",
    );
    for table in &tables {
        // What happens to a row, of which table, and what that raises.
        let raised = postgres.texts(&format!(
            "SELECT event || ' ' || convert_from(rtrim(tgargs, '\\x00'), 'UTF8')
             FROM pg_trigger, (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS known (bit, event)
             WHERE tgrelid = '{table}'::regclass AND tgtype & bit > 0
             AND tgfoid::regproc::text IN ('version_raised', 'versions_raised', 'version_of_row_raised')"
        ));
        let expected = version::raised_by(table);
        let missing: Vec<_> = expected
            .iter()
            .filter(|one| !raised.contains(one))
            .collect();
        assert!(missing.is_empty(), "{table} raises {raised:?}");
    }
}
