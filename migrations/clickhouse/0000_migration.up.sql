-- What was applied and taken back, in order; a row is never changed. The last row of a version tells its state.
CREATE TABLE IF NOT EXISTS migration (
    version    UInt32,
    sequence   UInt32,
    name       String,
    checksum   String,
    applied    Bool,
    at         DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (version, sequence)
SETTINGS DURABLE;
