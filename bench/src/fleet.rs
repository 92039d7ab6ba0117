//! The data that is measured on: one tenant, made in the engines themselves so that it takes seconds.
//!
//! Ids are numbers in the tail of a UUID, so that both engines make the same ones.

use anyhow::{Result, ensure};
use domain::id::{CustomerId, DeviceId, SimId, TenantId};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use crate::engine::Raw;

/// SIMs of the tenant.
pub(crate) const SIMS: u32 = 100_000;
/// The first ones have a device, and usage.
pub(crate) const USED_SIMS: u32 = 20_000;
/// Customers of the tenant.
pub(crate) const CUSTOMERS: u32 = 200;
/// Records in the cubes before anything is measured.
pub(crate) const RECORDS: u32 = 1_000_000;
/// Slug of the tenant.
pub(crate) const SLUG: &str = "bench";
/// Networks that usage comes from.
pub(crate) const NETWORKS: [&str; 8] = [
    "262-01", "262-02", "238-01", "238-02", "242-01", "240-01", "204-04", "204-08",
];

const TENANT: u16 = 0x8004;
const SIM: u16 = 0x8000;
const CUSTOMER: u16 = 0x8001;
const DEVICE: u16 = 0x8002;
const LABEL: u16 = 0x8003;

fn id(kind: u16, n: u32) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 48 | 0x7000 << 64 | u128::from(n))
}

/// The tenant.
pub(crate) fn tenant() -> TenantId {
    TenantId::new(id(TENANT, 1))
}

/// A tenant with so many records, in the cubes alone.
pub(crate) fn tenant_with(records: u32) -> TenantId {
    TenantId::new(id(TENANT, records))
}

/// The `n`th SIM.
pub(crate) fn sim(n: u32) -> SimId {
    SimId::new(id(SIM, n))
}

/// The customer that the `n`th SIM belongs to.
pub(crate) fn customer_of(n: u32) -> CustomerId {
    CustomerId::new(id(CUSTOMER, n % CUSTOMERS))
}

/// The device that the `n`th SIM sits in.
pub(crate) fn device_of(n: u32) -> DeviceId {
    DeviceId::new(id(DEVICE, n))
}

/// The `n`th SIM's serial number.
pub(crate) fn iccid(n: u32) -> String {
    format!("8945{n:015}")
}

/// The same id in Postgres.
fn in_postgres(kind: u16, n: &str) -> String {
    format!("('00000000-0000-7000-{kind:04x}-' || lpad(to_hex({n}), 12, '0'))::uuid")
}

/// The same id in ClickHouse.
fn in_clickhouse(kind: u16, n: &str) -> String {
    format!(
        "toUUID(concat('00000000-0000-7000-{kind:04x}-', leftPad(lower(hex(toUInt32({n}))), 12, '0')))"
    )
}

/// Fills Postgres as the owner of the database.
pub(crate) async fn fill_inventory(database_url: &str) -> Result<()> {
    let db = sea_orm::Database::connect(database_url).await?;
    let filled = async {
        for statement in inventory() {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    };
    let filled = filled.await;
    db.close().await?;
    filled
}

/// What is measured has to be durable on both sides.
pub(crate) async fn check_durable(database_url: &str) -> Result<()> {
    let db = sea_orm::Database::connect(database_url).await?;
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let row = db.query_one_raw(Statement::from_string(
            DbBackend::Postgres,
            format!("SHOW {setting}"),
        ));
        let value: Option<String> = row.await?.map(|row| row.try_get_by_index(0)).transpose()?;
        ensure!(
            value.as_deref() == Some("on"),
            "Postgres has {setting} = {value:?}"
        );
    }
    db.close().await?;
    Ok(())
}

fn inventory() -> Vec<String> {
    let tenant = in_postgres(TENANT, "1");
    let (sim, device) = (in_postgres(SIM, "n"), in_postgres(DEVICE, "n"));
    let customer = in_postgres(CUSTOMER, &format!("n % {CUSTOMERS}"));
    let label = in_postgres(LABEL, "l");
    let (sims, used, customers) = (SIMS - 1, USED_SIMS - 1, CUSTOMERS - 1);
    vec![
        format!("INSERT INTO tenant (tenant_id, slug, name, created_at) VALUES ({tenant}, '{SLUG}', 'Bench', now())"),
        format!(
            "INSERT INTO customer (tenant_id, customer_id, slug, name, created_at)
             SELECT {tenant}, {customer}, 'customer-' || n, 'Customer ' || n, now() FROM generate_series(0, {customers}) n"
        ),
        format!(
            "INSERT INTO sim (tenant_id, sim_id, iccid, imsi, msisdn, state, customer_id, created_at, updated_at)
             SELECT {tenant}, {sim}, '8945' || lpad(n::text, 15, '0'), '23820' || lpad(n::text, 10, '0'),
                    '45' || lpad(n::text, 8, '0'), 'ACTIVE', {customer}, now(), now()
               FROM generate_series(0, {sims}) n"
        ),
        format!(
            "INSERT INTO device (tenant_id, device_id, name, state, customer_id, created_at, updated_at)
             SELECT {tenant}, {device}, 'device-' || n, 'ACTIVE', {customer}, now(), now() FROM generate_series(0, {used}) n"
        ),
        format!(
            "INSERT INTO device_customer (tenant_id, device_id, customer_id, valid)
             SELECT {tenant}, {device}, {customer}, tstzrange('2020-01-01Z', NULL) FROM generate_series(0, {used}) n"
        ),
        format!(
            "INSERT INTO sim_customer (tenant_id, sim_id, customer_id, valid)
             SELECT {tenant}, {sim}, {customer}, tstzrange('2020-01-01Z', NULL) FROM generate_series(0, {used}) n"
        ),
        format!(
            "INSERT INTO sim_device (tenant_id, sim_id, device_id, valid)
             SELECT {tenant}, {sim}, {device}, tstzrange('2020-01-01Z', NULL) FROM generate_series(0, {used}) n"
        ),
        format!(
            "INSERT INTO label_definition (tenant_id, label_id, key, created_at)
             SELECT {tenant}, {label}, 'key-' || l, now() FROM generate_series(0, 2) l"
        ),
        format!(
            "INSERT INTO sim_label (tenant_id, sim_id, label_id, value)
             SELECT {tenant}, {sim}, {label}, 'value ' || n % 50 FROM generate_series(0, {sims}) n, generate_series(0, 2) l
              WHERE (n + l) % 3 > 0"
        ),
        "VACUUM ANALYZE".into(),
    ]
}

/// Fills the cubes of the tenant through their views with records of the month `[from, to)` (Unix seconds), in any order of
/// time.
pub(crate) async fn fill_cubes(raw: &mut Raw, from: i64, to: i64) -> Result<()> {
    fill(
        raw,
        (1, RECORDS, USED_SIMS),
        &format!("{from} + h % {}", to - from),
    )
    .await
}

/// So many more records of the tenant in another month, in order of time.
pub(crate) async fn fill_month(raw: &mut Raw, records: u32, from: i64, to: i64) -> Result<()> {
    let start = in_order(records, from, to);
    fill(raw, (1, records, USED_SIMS), &start).await
}

/// Moments of a month in order of time.
fn in_order(records: u32, from: i64, to: i64) -> String {
    format!("{from} + intDiv(number * {}, {records})", to - from)
}

/// The same for the tenant with so many records of so many SIMs, in order of time, as intake brings them.
pub(crate) async fn fill_cubes_with(
    raw: &mut Raw,
    records: u32,
    sims: u32,
    from: i64,
    to: i64,
) -> Result<()> {
    let start = in_order(records, from, to);
    fill(raw, (records, records, sims), &start).await
}

/// Records of a tenant with so many SIMs, 250,000 per block.
async fn fill(raw: &mut Raw, (tenant, records, sims): (u32, u32, u32), start: &str) -> Result<()> {
    const BLOCK: usize = 250_000;
    let tenant = in_clickhouse(TENANT, &tenant.to_string());
    let (sim, device) = (in_clickhouse(SIM, "s"), in_clickhouse(DEVICE, "s"));
    let customer = in_clickhouse(CUSTOMER, &format!("s % {CUSTOMERS}"));
    let networks = NETWORKS.map(|network| format!("'{network}'")).join(", ");
    for (block, first) in (0..records).step_by(BLOCK).enumerate() {
        let rows = (records - first).min(u32::try_from(BLOCK)?);
        let sql = format!(
            "INSERT INTO cdr (* EXCEPT(expires)) SELECT {tenant}, {customer}, {sim}, {device}, [{networks}][1 + h % 8],
                    ['LTE', '5G NR'][1 + h % 2], 'DATA', 'bench', concat('fill-', toString(number)), generateUUIDv4(number),
                    toDateTime64({start}, 3, 'UTC') AS start, start + 60, h % 100000, h % 1000000, 0, 1,
                    toUUID('00000000-0000-7000-8005-{block:012}'), now64(3), now() + 60
               FROM (SELECT number, cityHash64(number) AS h, bitShiftRight(h, 20) % {sims} AS s FROM numbers({first}, {rows}))"
        );
        raw.ask(&sql, &[]).await?;
    }
    Ok(())
}
