-- Who this store is, on all replicas: Postgres has the same identity. Written once; the first row counts.
CREATE TABLE IF NOT EXISTS store_identity (
    identity UUID,
    at       DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY at
SETTINGS DURABLE;
