-- What a batch is of: usage records (CDR), as all were so far, or rollups of sessions.
ALTER TABLE intake_batch
    ADD COLUMN kind text NOT NULL DEFAULT 'CDR',
    ADD CONSTRAINT intake_batch_kind_check CHECK (kind IN ('CDR', 'SESSION'));

-- Of rollups it has all rows, also those that correct what rollups of earlier batches count, each as if its sign were 1.
ALTER TABLE intake_batch_tenant
    ADD COLUMN kind text NOT NULL DEFAULT 'CDR',
    ADD CONSTRAINT intake_batch_tenant_kind_check CHECK (kind IN ('CDR', 'SESSION'));

-- Rollups have an account of their own, whatever sources of usage records are called. The key keeps its name, by which programs of before
-- know it, and what they write is of usage records.
ALTER TABLE intake_accounting
    ADD COLUMN kind text NOT NULL DEFAULT 'CDR',
    ADD CONSTRAINT intake_accounting_kind_check CHECK (kind IN ('CDR', 'SESSION')),
    DROP CONSTRAINT intake_accounting_pkey,
    ADD CONSTRAINT intake_accounting_pkey PRIMARY KEY (tenant_id, source, received_hour, event_hour, kind);

ALTER TABLE intake_rejection
    ADD COLUMN kind text NOT NULL DEFAULT 'CDR',
    ADD CONSTRAINT intake_rejection_kind_check CHECK (kind IN ('CDR', 'SESSION'));

-- The sessions that rollups name: what a batch locks, in order of the key, before it looks what is known of them.
CREATE TABLE session (
    tenant_id uuid        NOT NULL REFERENCES tenant,
    -- 128 bits of a hash of SIM and session id.
    session   uuid        NOT NULL,
    -- When its newest rollup was made.
    newest_at timestamptz NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (tenant_id, session)
) WITH (fillfactor = 70);

-- The rollups that are kept of a session, so that the next one needs nothing else as a rule: the newest, those whose batch was not seen
-- whole in the log yet, and those after which nothing came for long (domain::session::points says why these are enough). Numbers follow
-- sessions, not rollups.
CREATE TABLE session_point (
    tenant_id    uuid        NOT NULL,
    session      uuid        NOT NULL,
    -- 128 bits of a hash of all that the rollup says.
    identity     uuid        NOT NULL,
    event_at     timestamptz NOT NULL,
    request_type text        NOT NULL,
    -- 64 bits without a sign.
    bytes_in     bigint      NOT NULL,
    bytes_out    bigint      NOT NULL,
    -- What its rows in the log are stored with.
    customer_id  uuid,
    device_id    uuid,
    network      text        NOT NULL,
    rat          text        NOT NULL,
    ip           text        NOT NULL,
    -- Of intake_batch_tenant, and its batch: the rollup is settled when intake_batch does not have that any more.
    part         bigint      NOT NULL,
    batch_id     uuid        NOT NULL,
    has_gap      boolean     NOT NULL,
    CONSTRAINT session_point_pkey PRIMARY KEY (tenant_id, session, identity),
    CONSTRAINT session_point_session_fkey FOREIGN KEY (tenant_id, session) REFERENCES session ON DELETE CASCADE,
    CONSTRAINT session_point_request_type_check CHECK (request_type IN ('UPDATE', 'TERMINATE'))
) WITH (fillfactor = 90);
-- Cutting a batch moves its rollups to other parts.
CREATE INDEX session_point_identity_idx ON session_point (identity);

ALTER TABLE session ENABLE ROW LEVEL SECURITY;
ALTER TABLE session FORCE ROW LEVEL SECURITY;
ALTER TABLE session_point ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_point FORCE ROW LEVEL SECURITY;
CREATE POLICY session_tenant ON session TO simcube_app USING (tenant_id = current_tenant());
CREATE POLICY session_system ON session TO simcube_system USING (true) WITH CHECK (true);
CREATE POLICY session_point_tenant ON session_point TO simcube_app USING (tenant_id = current_tenant());
CREATE POLICY session_point_system ON session_point TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT ON session, session_point TO simcube_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON session, session_point TO simcube_system;

-- How long the log of sessions is kept. Null is what the installation gives everybody.
ALTER TABLE tenant
    ADD COLUMN session_days        integer,
    -- When a longer one was set, and what was kept until then: rollups of that time go by it.
    ADD COLUMN session_days_before integer,
    ADD COLUMN session_days_set_at timestamptz,
    ADD CONSTRAINT tenant_session_days_check CHECK (session_days BETWEEN 1 AND 90),
    ADD CONSTRAINT tenant_session_days_before_check CHECK (session_days_before BETWEEN 1 AND 90),
    ADD CONSTRAINT tenant_session_days_set_check CHECK (
        num_nonnulls(session_days_before, session_days_set_at) IN (0, 2));

-- Callers are shown their settings.
DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed
    AFTER UPDATE OF slug, name, simulated, created_at, record_days, record_days_set_at, records_since, export_days, export_bytes,
                    session_days, session_days_before, session_days_set_at ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
