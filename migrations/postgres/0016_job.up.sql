-- Long work that somebody asked for: what was asked and by whom, how far it is, and what it came to.
-- Moments of leases are Postgres's own, so that processes whose clocks differ agree on who has a job.
CREATE TABLE job (
    tenant_id     uuid        NOT NULL REFERENCES tenant,
    job_id        uuid        NOT NULL DEFAULT uuidv7(),
    kind          text        NOT NULL,
    name          text        NOT NULL,
    -- What was asked, in the form that the kind of work gave it.
    request       jsonb       NOT NULL,
    -- Subject of the token of whoever asked, and {"role", "customer", "sees"}: what the token and the tenant gave it then.
    requested_by  text        NOT NULL,
    asker         jsonb       NOT NULL,
    state         text        NOT NULL DEFAULT 'QUEUED',
    -- Times that somebody began it, since it was asked for or asked for again.
    attempts      integer     NOT NULL DEFAULT 0,
    -- Raised whenever somebody begins it: who has an older number has lost it.
    fence         bigint      NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    -- Not begun before.
    not_before    timestamptz,
    rows_done     bigint      NOT NULL DEFAULT 0,
    rows_expected bigint,
    -- What it made, as the kind of work describes it, and where that lies until it expires.
    result        jsonb,
    place         text,
    bytes         bigint      NOT NULL DEFAULT 0,
    expires_at    timestamptz,
    -- Why it failed.
    code          text,
    message       text,
    created_at    timestamptz NOT NULL,
    started_at    timestamptz,
    heartbeat_at  timestamptz,
    ended_at      timestamptz,
    CONSTRAINT job_pkey PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT job_kind_check CHECK (kind IN ('EXPORT')),
    CONSTRAINT job_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT job_state_check CHECK (state IN ('QUEUED', 'RUNNING', 'COMPLETE', 'FAILED', 'CANCELLED')),
    CONSTRAINT job_lease_check CHECK ((state = 'RUNNING') = (lease_until IS NOT NULL)),
    CONSTRAINT job_failure_check CHECK ((state = 'FAILED') = (code IS NOT NULL)),
    CONSTRAINT job_end_check CHECK ((state IN ('QUEUED', 'RUNNING')) = (ended_at IS NULL)),
    CONSTRAINT job_result_check CHECK (state = 'COMPLETE' OR result IS NULL AND place IS NULL AND bytes = 0),
    CONSTRAINT job_counts_check CHECK (attempts >= 0 AND rows_done >= 0 AND rows_expected >= 0 AND bytes >= 0)
);
CREATE UNIQUE INDEX job_id_key ON job (job_id);
CREATE INDEX job_created_idx ON job (tenant_id, created_at, job_id);
-- What is to be done, and what is there to be removed, over all tenants.
CREATE INDEX job_open_idx ON job (state, created_at) WHERE state IN ('QUEUED', 'RUNNING');
-- Whose turn was when.
CREATE INDEX job_started_idx ON job (tenant_id, started_at);
CREATE INDEX job_place_idx ON job (expires_at) WHERE place IS NOT NULL;

ALTER TABLE job ENABLE ROW LEVEL SECURITY;
ALTER TABLE job FORCE ROW LEVEL SECURITY;
CREATE POLICY job_tenant ON job TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY job_system ON job TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON job TO simcube_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON job TO simcube_system;

-- Keys that links are signed with: the newest signs, older ones are known for as long as a link lasts.
CREATE TABLE link_key (
    link_key_id uuid        NOT NULL DEFAULT uuidv7(),
    secret      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT link_key_pkey PRIMARY KEY (link_key_id),
    CONSTRAINT link_key_secret_check CHECK (octet_length(secret) = 32)
);
GRANT SELECT, INSERT, DELETE ON link_key TO simcube_system;
