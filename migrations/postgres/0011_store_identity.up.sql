-- The identity of the ClickHouse that has this database's usage: usage that is known here must never be looked for, or
-- counted, in another one. One row.
CREATE TABLE store_identity (
    only_row boolean NOT NULL DEFAULT true,
    identity uuid    NOT NULL,
    CONSTRAINT store_identity_pkey PRIMARY KEY (only_row),
    CONSTRAINT store_identity_only_row_check CHECK (only_row)
);
GRANT SELECT, INSERT, UPDATE ON store_identity TO simcube_system;
