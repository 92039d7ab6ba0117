-- Small cubes: usage without SIM and device, per UTC hour, day, month and year (`grain`), all in one table so that an
-- insert writes few parts. They are fed from the full cubes, so that every correction of these reaches them too, whoever makes it.
CREATE TABLE IF NOT EXISTS usage_small (
    tenant      UUID,
    grain       Enum8('hour' = 1, 'day' = 2, 'month' = 3, 'year' = 4),
    period      DateTime('UTC'),
    customer    UUID,
    network     LowCardinality(String),
    rat         LowCardinality(String),
    service     LowCardinality(String),
    source      LowCardinality(String),
    bytes_up    SimpleAggregateFunction(sum, Int128),
    bytes_down  SimpleAggregateFunction(sum, Int128),
    units       SimpleAggregateFunction(sum, Int128),
    -- Receipt of the newest record, of years alone.
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    records     SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(period)
ORDER BY (tenant, grain, period, customer, network, rat, service, source)
SETTINGS DURABLE;

-- When a program has filled them with what was there before the views were. Until then it goes through all months at each start.
CREATE TABLE IF NOT EXISTS usage_small_filled (
    at DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY at
SETTINGS DURABLE;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_small_view TO usage_small AS
SELECT
    tenant,
    arrayJoin(['hour', 'day', 'month']) AS grain,
    multiIf(grain = 'hour', hour, grain = 'day', toStartOfDay(hour), toDateTime(toStartOfMonth(hour), 'UTC')) AS period,
    customer, network, rat, service, source,
    sum(hour_up) AS bytes_up,
    sum(hour_down) AS bytes_down,
    sum(hour_units) AS units,
    sum(hour_records) AS records
FROM (
    -- First by hour: what is multiplied by three then is small.
    SELECT
        tenant, usage_hour.period AS hour, customer, network, rat, service, source,
        sum(usage_hour.bytes_up) AS hour_up,
        sum(usage_hour.bytes_down) AS hour_down,
        sum(usage_hour.units) AS hour_units,
        sum(usage_hour.records) AS hour_records
    FROM usage_hour
    GROUP BY tenant, hour, customer, network, rat, service, source
)
GROUP BY tenant, grain, period, customer, network, rat, service, source;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_small_year_view TO usage_small AS
SELECT
    tenant,
    'year' AS grain,
    period,
    customer, network, rat, service, source,
    sum(usage_year.bytes_up) AS bytes_up,
    sum(usage_year.bytes_down) AS bytes_down,
    sum(usage_year.units) AS units,
    max(usage_year.received_at) AS received_at,
    sum(usage_year.records) AS records
FROM usage_year
GROUP BY tenant, period, customer, network, rat, service, source;
