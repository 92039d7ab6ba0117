-- Foundation: usage records, their cubes, and the networks they name.
--
-- Nothing here de-duplicates: intake looks up what is there before it inserts anything again. DURABLE stands for the
-- settings that every table of usage has (`clickhouse.rs`): what an insert or a merge answered survives a power loss.

-- Every accepted usage record. Event time is `start`; sums are read with `sign`, which is -1 in a correction.
-- The nil UUID stands for "unassigned" and "no device".
CREATE TABLE IF NOT EXISTS cdr (
    tenant      UUID,
    customer    UUID,
    sim         UUID,
    device      UUID,
    network     LowCardinality(String),
    rat         LowCardinality(String),
    service     LowCardinality(String),
    source      LowCardinality(String),
    record_id   String,
    identity    UUID,
    start       DateTime64(3, 'UTC'),
    end         DateTime64(3, 'UTC'),
    bytes_up    UInt64,
    bytes_down  UInt64,
    units       UInt64,
    sign        Int8,
    batch       UUID,
    received_at DateTime64(3, 'UTC'),
    -- An insert that comes later is refused, so that whoever waited for this moment knows that nothing can come any more.
    apply_by    DateTime('UTC'),
    -- Old parts hold nothing that was received lately: looking up what just came in passes them by.
    INDEX cdr_received_idx received_at TYPE minmax GRANULARITY 8,
    CONSTRAINT cdr_apply_by_check CHECK now() <= apply_by,
    -- The cubes keep periods in 32 bits. Intake refuses such times long before; this makes a mistake loud, not wrong.
    CONSTRAINT cdr_start_check CHECK start >= toDateTime64('1970-01-01', 3, 'UTC') AND start < toDateTime64('2106-01-01', 3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (tenant, customer, sim, start, identity)
TTL toDateTime(start) + INTERVAL 400 DAY
SETTINGS DURABLE, ttl_only_drop_parts = 1;

-- Usage per UTC hour.
CREATE TABLE IF NOT EXISTS usage_hour (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    service    LowCardinality(String),
    source     LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    units      SimpleAggregateFunction(sum, Int128),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, period, customer, sim, device, network, rat, service, source)
SETTINGS DURABLE;

-- Usage per UTC day.
CREATE TABLE IF NOT EXISTS usage_day (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    service    LowCardinality(String),
    source     LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    units      SimpleAggregateFunction(sum, Int128),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, period, customer, sim, device, network, rat, service, source)
SETTINGS DURABLE;

-- Usage per UTC month.
CREATE TABLE IF NOT EXISTS usage_month (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    service    LowCardinality(String),
    source     LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    units      SimpleAggregateFunction(sum, Int128),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(period)
ORDER BY (tenant, period, customer, sim, device, network, rat, service, source)
SETTINGS DURABLE;

-- Usage per UTC year.
CREATE TABLE IF NOT EXISTS usage_year (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    service    LowCardinality(String),
    source     LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    units      SimpleAggregateFunction(sum, Int128),
    -- Receipt of the newest record: the watermark of an answer. Only the smallest cube carries it.
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(period)
ORDER BY (tenant, period, customer, sim, device, network, rat, service, source)
SETTINGS DURABLE;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_hour_view TO usage_hour AS
SELECT
    tenant,
    toStartOfHour(start) AS period,
    customer, sim, device, network, rat, service, source,
    sum(toInt128(cdr.bytes_up) * sign) AS bytes_up,
    sum(toInt128(cdr.bytes_down) * sign) AS bytes_down,
    sum(toInt128(cdr.units) * sign) AS units,
    sum(toInt64(sign)) AS records
FROM cdr
GROUP BY tenant, period, customer, sim, device, network, rat, service, source;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_view TO usage_day AS
SELECT
    tenant,
    toStartOfDay(start) AS period,
    customer, sim, device, network, rat, service, source,
    sum(toInt128(cdr.bytes_up) * sign) AS bytes_up,
    sum(toInt128(cdr.bytes_down) * sign) AS bytes_down,
    sum(toInt128(cdr.units) * sign) AS units,
    sum(toInt64(sign)) AS records
FROM cdr
GROUP BY tenant, period, customer, sim, device, network, rat, service, source;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_month_view TO usage_month AS
SELECT
    tenant,
    toDateTime(toStartOfMonth(start), 'UTC') AS period,
    customer, sim, device, network, rat, service, source,
    sum(toInt128(cdr.bytes_up) * sign) AS bytes_up,
    sum(toInt128(cdr.bytes_down) * sign) AS bytes_down,
    sum(toInt128(cdr.units) * sign) AS units,
    sum(toInt64(sign)) AS records
FROM cdr
GROUP BY tenant, period, customer, sim, device, network, rat, service, source;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_year_view TO usage_year AS
SELECT
    tenant,
    toDateTime(toStartOfYear(start), 'UTC') AS period,
    customer, sim, device, network, rat, service, source,
    sum(toInt128(cdr.bytes_up) * sign) AS bytes_up,
    sum(toInt128(cdr.bytes_down) * sign) AS bytes_down,
    sum(toInt128(cdr.units) * sign) AS units,
    max(cdr.received_at) AS received_at,
    sum(toInt64(sign)) AS records
FROM cdr
GROUP BY tenant, period, customer, sim, device, network, rat, service, source;

-- Reference data (E.212): who operates a network and in which country. Read with FINAL.
CREATE TABLE IF NOT EXISTS network (
    plmn         String,
    name         String,
    operator     String,
    country_code String,
    country      String,
    loaded_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(loaded_at)
ORDER BY plmn
SETTINGS DURABLE;

-- The mark that Postgres has as well when the last server stopped in order. The newest row counts.
CREATE TABLE IF NOT EXISTS intake_mark (
    mark UUID,
    at   DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY at
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS DURABLE;
