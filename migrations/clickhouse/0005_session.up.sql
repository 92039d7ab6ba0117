-- Sessions: the log of rollups, their usage in cubes of their own, what is live, and when a SIM was seen last.
--
-- As with usage records nothing here de-duplicates, and one insert into the log reaches all the others through their views. DURABLE stands for
-- the settings that every table has (`clickhouse.rs`).

-- Every accepted rollup with what it counts (`arrived`), and every correction of that: a pair of rows, -1 and 1. Sums are read with `sign`.
-- A row is one of its kind by batch, identity and sign. The nil UUID stands for "unassigned" and "no device".
--
-- A partition is a day: that is what goes by `expires`, whole parts at a time where all are kept equally long, and what a look for
-- neighbours passes by. There are some ninety of them at most, of which an insert meets one or two when nothing is late.
-- The key begins with tenant and SIM because all that is looked up is a SIM's: its log, the rollup before and after a late one, a batch's rows.
CREATE TABLE IF NOT EXISTS session_log (
    tenant       UUID,
    customer     UUID,
    sim          UUID,
    device       UUID,
    network      LowCardinality(String),
    rat          LowCardinality(String),
    -- Hash of SIM and `session_id`.
    session      UUID,
    session_id   String,
    -- Hash of all that the rollup says.
    identity     UUID,
    event_at     DateTime64(3, 'UTC'),
    request_type Enum8('UPDATE' = 0, 'TERMINATE' = 1),
    ip           String,
    -- What the rollup says: bytes from and to the device since its session began.
    counter_in   UInt64,
    counter_out  UInt64,
    -- What it counts.
    bytes_up     UInt64,
    bytes_down   UInt64,
    sessions     UInt8,
    resets       UInt8,
    sign         Int8,
    arrived      UInt8,
    batch        UUID,
    received_at  DateTime64(3, 'UTC'),
    -- An insert that comes later is refused, so that whoever waited for this moment knows that nothing can come any more.
    apply_by     DateTime('UTC'),
    -- The retention of its tenant and a day, counted from the end of its day; intake fills it in.
    expires      Date DEFAULT toDate(event_at) + 9,
    -- Old parts hold nothing that was received lately: looking up what just came in passes them by.
    INDEX session_log_received_idx received_at TYPE minmax GRANULARITY 8,
    CONSTRAINT session_log_apply_by_check CHECK now() <= apply_by,
    -- The cubes keep periods in 32 bits. Intake refuses such times long before; this makes a mistake loud, not wrong.
    CONSTRAINT session_log_event_at_check CHECK event_at >= toDateTime64('1970-01-01', 3, 'UTC') AND event_at < toDateTime64('2106-01-01', 3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(event_at)
ORDER BY (tenant, sim, event_at, session, identity, sign, batch)
TTL expires
SETTINGS DURABLE, ttl_only_drop_parts = 0;

-- The newest rollup of each session, by one number that packs its place in its session. Takes repeated rows, so it is put right by entering
-- what the log has. Not in partitions: versions of a session must meet in a merge. Readers do not wait for that (argMax).
CREATE TABLE IF NOT EXISTS session_live (
    tenant       UUID,
    sim          UUID,
    session      UUID,
    session_id   String,
    customer     UUID,
    network      LowCardinality(String),
    rat          LowCardinality(String),
    ip           String,
    counter_in   UInt64,
    counter_out  UInt64,
    request_type Enum8('UPDATE' = 0, 'TERMINATE' = 1),
    event_at     DateTime64(3, 'UTC'),
    batch        UUID,
    version      UInt256,
    expires      Date
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, sim, session)
TTL expires
SETTINGS DURABLE;

-- Where and when a SIM was seen last, by the customer that it had then: another one sees nothing of it. Kept for ever, takes repeated rows.
-- SIM before customer: it is read by SIMs, whoever asks.
CREATE TABLE IF NOT EXISTS sim_last_seen (
    tenant   UUID,
    sim      UUID,
    customer UUID,
    event_at DateTime64(3, 'UTC'),
    network  LowCardinality(String),
    rat      LowCardinality(String),
    batch    UUID,
    version  UInt256
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, sim, customer)
SETTINGS DURABLE;

-- Usage of sessions per UTC hour.
CREATE TABLE IF NOT EXISTS session_hour (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    sessions   SimpleAggregateFunction(sum, Int64),
    resets     SimpleAggregateFunction(sum, Int64),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, period, customer, sim, device, network, rat)
SETTINGS DURABLE;

-- Usage of sessions per UTC day.
CREATE TABLE IF NOT EXISTS session_day (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    sessions   SimpleAggregateFunction(sum, Int64),
    resets     SimpleAggregateFunction(sum, Int64),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, period, customer, sim, device, network, rat)
SETTINGS DURABLE;

-- Usage of sessions per UTC month.
CREATE TABLE IF NOT EXISTS session_month (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    sessions   SimpleAggregateFunction(sum, Int64),
    resets     SimpleAggregateFunction(sum, Int64),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(period)
ORDER BY (tenant, period, customer, sim, device, network, rat)
SETTINGS DURABLE;

-- Usage of sessions per UTC year.
CREATE TABLE IF NOT EXISTS session_year (
    tenant     UUID,
    period     DateTime('UTC'),
    customer   UUID,
    sim        UUID,
    device     UUID,
    network    LowCardinality(String),
    rat        LowCardinality(String),
    bytes_up   SimpleAggregateFunction(sum, Int128),
    bytes_down SimpleAggregateFunction(sum, Int128),
    sessions   SimpleAggregateFunction(sum, Int64),
    resets     SimpleAggregateFunction(sum, Int64),
    -- Receipt of the newest row: the watermark of an answer. Only the smallest cube carries it.
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    records    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(period)
ORDER BY (tenant, period, customer, sim, device, network, rat)
SETTINGS DURABLE;

-- Small cubes: without SIM and device, of all widths (`grain`), fed from the full ones as those of usage records are.
CREATE TABLE IF NOT EXISTS session_small (
    tenant      UUID,
    grain       Enum8('hour' = 1, 'day' = 2, 'month' = 3, 'year' = 4),
    period      DateTime('UTC'),
    customer    UUID,
    network     LowCardinality(String),
    rat         LowCardinality(String),
    bytes_up    SimpleAggregateFunction(sum, Int128),
    bytes_down  SimpleAggregateFunction(sum, Int128),
    sessions    SimpleAggregateFunction(sum, Int64),
    resets      SimpleAggregateFunction(sum, Int64),
    -- Receipt of the newest row, of years alone.
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    records     SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, grain, period, customer, network, rat)
SETTINGS DURABLE;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_hour_view TO session_hour AS
SELECT
    tenant,
    toStartOfHour(event_at) AS period,
    customer, sim, device, network, rat,
    sum(toInt128(session_log.bytes_up) * sign) AS bytes_up,
    sum(toInt128(session_log.bytes_down) * sign) AS bytes_down,
    sum(toInt64(session_log.sessions) * sign) AS sessions,
    sum(toInt64(session_log.resets) * sign) AS resets,
    sum(toInt64(sign)) AS records
FROM session_log
GROUP BY tenant, period, customer, sim, device, network, rat;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_day_view TO session_day AS
SELECT
    tenant,
    toStartOfDay(event_at) AS period,
    customer, sim, device, network, rat,
    sum(toInt128(session_log.bytes_up) * sign) AS bytes_up,
    sum(toInt128(session_log.bytes_down) * sign) AS bytes_down,
    sum(toInt64(session_log.sessions) * sign) AS sessions,
    sum(toInt64(session_log.resets) * sign) AS resets,
    sum(toInt64(sign)) AS records
FROM session_log
GROUP BY tenant, period, customer, sim, device, network, rat;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_month_view TO session_month AS
SELECT
    tenant,
    toDateTime(toStartOfMonth(event_at), 'UTC') AS period,
    customer, sim, device, network, rat,
    sum(toInt128(session_log.bytes_up) * sign) AS bytes_up,
    sum(toInt128(session_log.bytes_down) * sign) AS bytes_down,
    sum(toInt64(session_log.sessions) * sign) AS sessions,
    sum(toInt64(session_log.resets) * sign) AS resets,
    sum(toInt64(sign)) AS records
FROM session_log
GROUP BY tenant, period, customer, sim, device, network, rat;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_year_view TO session_year AS
SELECT
    tenant,
    toDateTime(toStartOfYear(event_at), 'UTC') AS period,
    customer, sim, device, network, rat,
    sum(toInt128(session_log.bytes_up) * sign) AS bytes_up,
    sum(toInt128(session_log.bytes_down) * sign) AS bytes_down,
    sum(toInt64(session_log.sessions) * sign) AS sessions,
    sum(toInt64(session_log.resets) * sign) AS resets,
    max(session_log.received_at) AS received_at,
    sum(toInt64(sign)) AS records
FROM session_log
GROUP BY tenant, period, customer, sim, device, network, rat;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_small_view TO session_small AS
SELECT
    tenant,
    arrayJoin(['hour', 'day', 'month']) AS grain,
    multiIf(grain = 'hour', hour, grain = 'day', toStartOfDay(hour), toDateTime(toStartOfMonth(hour), 'UTC')) AS period,
    customer, network, rat,
    sum(hour_up) AS bytes_up,
    sum(hour_down) AS bytes_down,
    sum(hour_sessions) AS sessions,
    sum(hour_resets) AS resets,
    sum(hour_records) AS records
FROM (
    -- First by hour: what is multiplied by three then is small.
    SELECT
        tenant, session_hour.period AS hour, customer, network, rat,
        sum(session_hour.bytes_up) AS hour_up,
        sum(session_hour.bytes_down) AS hour_down,
        sum(session_hour.sessions) AS hour_sessions,
        sum(session_hour.resets) AS hour_resets,
        sum(session_hour.records) AS hour_records
    FROM session_hour
    GROUP BY tenant, hour, customer, network, rat
)
GROUP BY tenant, grain, period, customer, network, rat;

CREATE MATERIALIZED VIEW IF NOT EXISTS session_small_year_view TO session_small AS
SELECT
    tenant,
    'year' AS grain,
    period,
    customer, network, rat,
    sum(session_year.bytes_up) AS bytes_up,
    sum(session_year.bytes_down) AS bytes_down,
    sum(session_year.sessions) AS sessions,
    sum(session_year.resets) AS resets,
    max(session_year.received_at) AS received_at,
    sum(session_year.records) AS records
FROM session_year
GROUP BY tenant, period, customer, network, rat;

-- The number has, from its top: 48 bits of milliseconds, 1 for an end, 64 and 64 bits of counters, and the first 79 of the identity.
CREATE MATERIALIZED VIEW IF NOT EXISTS session_live_view TO session_live AS
SELECT
    tenant, sim, session, session_id, customer, network, rat, ip, counter_in, counter_out, request_type, event_at, batch,
    bitShiftLeft(toUInt256(toUnixTimestamp64Milli(event_at)), 208)
        + bitShiftLeft(toUInt256(toUInt8(request_type)), 207)
        + bitShiftLeft(toUInt256(counter_in), 143)
        + bitShiftLeft(toUInt256(counter_out), 79)
        + toUInt256(bitShiftRight(toUInt128(identity), 49)) AS version,
    expires
FROM session_log
WHERE arrived = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sim_last_seen_view TO sim_last_seen AS
SELECT
    tenant, sim, customer, event_at, network, rat, batch,
    bitShiftLeft(toUInt256(toUnixTimestamp64Milli(event_at)), 208)
        + bitShiftLeft(toUInt256(toUInt8(request_type)), 207)
        + bitShiftLeft(toUInt256(counter_in), 143)
        + bitShiftLeft(toUInt256(counter_out), 79)
        + toUInt256(bitShiftRight(toUInt128(identity), 49)) AS version
FROM session_log
WHERE arrived = 1;
