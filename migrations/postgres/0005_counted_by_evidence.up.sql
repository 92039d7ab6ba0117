-- Intake, counted by evidence: batches of all tenants, what each tenant has in them, and identities by month of receipt.
--
-- No release wrote what these tables replace.

DO $$
BEGIN
    IF EXISTS (SELECT FROM intake_batch) THEN
        RAISE EXCEPTION 'this database has usage that an unreleased version took in: start with an empty one';
    END IF;
END $$;

DROP TABLE intake_batch, intake_identity;

-- Records on their way to the cubes. A batch holds rows of many tenants, so no tenant sees it. It goes when its rows
-- were seen, every one of them, in parts that survive a power loss.
CREATE TABLE intake_batch (
    batch_id   uuid        NOT NULL,
    -- In the order of journaling, which no clock tells.
    sequence   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    state      text        NOT NULL,
    encoding   smallint    NOT NULL,
    rows       bigint      NOT NULL,
    payload    bytea       NOT NULL,
    first_at   timestamptz NOT NULL,   -- earliest and latest event time of its rows
    last_at    timestamptz NOT NULL,
    -- By the clock of ClickHouse: no insert of this batch begins to write after it.
    apply_by   timestamptz NOT NULL,
    attempts   smallint    NOT NULL DEFAULT 0,
    reason     text,                   -- what the engine said to the last attempt that it refused
    created_at timestamptz NOT NULL,
    counted_at timestamptz,
    CONSTRAINT intake_batch_pkey PRIMARY KEY (batch_id),
    CONSTRAINT intake_batch_state_check CHECK (state IN ('JOURNALED', 'COUNTED', 'QUARANTINED')),
    CONSTRAINT intake_batch_rows_check CHECK (rows > 0)
);
ALTER TABLE intake_batch ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX intake_batch_state_idx ON intake_batch (state, sequence);

-- What a tenant has in a batch. It outlives the payload.
CREATE TABLE intake_batch_tenant (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    -- Its own number: month of receipt (from January 1970) times 2^40, and a sequence.
    part        bigint      NOT NULL,
    batch_id    uuid        NOT NULL,
    state       text        NOT NULL,
    rows        bigint      NOT NULL,
    bytes_up    numeric(39) NOT NULL,
    bytes_down  numeric(39) NOT NULL,
    units       numeric(39) NOT NULL,
    -- Sum, modulo 2^64, of the lower halves of the rows' identities.
    checksum    bigint      NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    counted_at  timestamptz,
    reason      text,
    CONSTRAINT intake_batch_tenant_pkey PRIMARY KEY (tenant_id, part),
    CONSTRAINT intake_batch_tenant_part_key UNIQUE (part),
    CONSTRAINT intake_batch_tenant_state_check CHECK (state IN ('JOURNALED', 'COUNTED', 'QUARANTINED'))
);
CREATE INDEX intake_batch_tenant_batch_idx ON intake_batch_tenant (batch_id);
CREATE INDEX intake_batch_tenant_received_idx ON intake_batch_tenant (tenant_id, received_at, part);
CREATE INDEX intake_batch_tenant_open_idx ON intake_batch_tenant (tenant_id, part) WHERE state <> 'COUNTED';
CREATE SEQUENCE intake_part_seq;

-- Identity of every accepted record, in a partition per month of receipt. Within a month the partition's key decides who
-- was first; between months nobody can be first at the same time, because a month is opened while nobody claims
-- (`intake_month`). A row is some 100 bytes with its index, so nothing is in it that its part knows.
CREATE TABLE intake_identity (
    identity uuid        NOT NULL,
    content  bigint      NOT NULL,     -- a versioned hash of the billing fields
    part     bigint      NOT NULL,     -- of intake_batch_tenant, which knows the tenant
    event_at timestamptz NOT NULL
) PARTITION BY RANGE (part);

-- The months that have a partition. Identities are claimed in the newest; the others are closed and never change again.
CREATE TABLE intake_month (
    month     bigint      NOT NULL,    -- from January 1970
    opened_at timestamptz NOT NULL,
    CONSTRAINT intake_month_pkey PRIMARY KEY (month)
);

-- What a closed month may hold, in pieces: one tells of the identities after the first and up to the last that it names.
-- A month that has the piece up to the greatest uuid is told of as a whole.
CREATE TABLE intake_filter (
    month  bigint   NOT NULL REFERENCES intake_month ON DELETE CASCADE,
    format smallint NOT NULL,          -- of the filter; a program reads its own format only
    after  uuid     NOT NULL,
    upto   uuid     NOT NULL,
    filter bytea    NOT NULL,
    CONSTRAINT intake_filter_pkey PRIMARY KEY (month, format, upto)
);
ALTER TABLE intake_filter ALTER COLUMN filter SET STORAGE EXTERNAL;

-- Makes the partition of a month; the caller holds the lock that keeps claims out. It is attached rather than made as a
-- partition, because that would wait for everybody who reads the table. No tenant may read it but through the table,
-- where row security is.
CREATE FUNCTION open_intake_month(opened bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name text := format('intake_identity_%s', opened);
BEGIN
    IF EXISTS (SELECT FROM intake_month WHERE month >= opened) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE intake_identity, CONSTRAINT %I UNIQUE (identity))', name, name || '_key');
    EXECUTE format('GRANT SELECT ON %I TO simcube_system', name);
    EXECUTE format('ALTER TABLE intake_identity ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        name, opened << 40, (opened + 1) << 40);
    INSERT INTO intake_month VALUES (opened, at);
END $$;

-- Drops the partition of a month of which no record can come again; the caller holds the same lock.
CREATE FUNCTION drop_intake_month(dropped bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS %I', format('intake_identity_%s', dropped));
    DELETE FROM intake_month WHERE month = dropped;
END $$;

-- Whether the last server stopped in order, and the mark that both stores had then. One row.
CREATE TABLE intake_mark (
    only_row boolean NOT NULL DEFAULT true,
    clean    boolean NOT NULL,
    mark     uuid    NOT NULL,
    CONSTRAINT intake_mark_pkey PRIMARY KEY (only_row),
    CONSTRAINT intake_mark_only_row_check CHECK (only_row)
);

ALTER TABLE intake_batch_tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE intake_batch_tenant FORCE ROW LEVEL SECURITY;
ALTER TABLE intake_identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE intake_identity FORCE ROW LEVEL SECURITY;
CREATE POLICY intake_batch_tenant_system ON intake_batch_tenant TO simcube_system USING (true) WITH CHECK (true);
CREATE POLICY intake_identity_system ON intake_identity TO simcube_system USING (true) WITH CHECK (true);
CREATE POLICY intake_batch_tenant_tenant ON intake_batch_tenant TO simcube_app USING (tenant_id = current_tenant());
CREATE POLICY intake_identity_tenant ON intake_identity TO simcube_app
    USING (EXISTS (SELECT FROM intake_batch_tenant AS known
                   WHERE known.tenant_id = current_tenant() AND known.part = intake_identity.part));
GRANT SELECT ON intake_batch_tenant, intake_identity TO simcube_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON intake_batch, intake_batch_tenant, intake_identity, intake_mark TO simcube_system;
GRANT SELECT ON intake_month TO simcube_system;
GRANT SELECT, INSERT ON intake_filter TO simcube_system;
GRANT USAGE ON SEQUENCE intake_part_seq TO simcube_system;
REVOKE EXECUTE ON FUNCTION open_intake_month, drop_intake_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_intake_month, drop_intake_month TO simcube_system;
