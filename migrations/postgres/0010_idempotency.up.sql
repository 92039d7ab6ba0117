-- Changes that were asked for under a key, by tenant and subject, so that the same one asked for again is answered and not made
-- again. A row is written in the transaction of its change. It counts for a day and is deleted by later ones of its tenant.
CREATE TABLE idempotency (
    tenant_id  uuid        NOT NULL REFERENCES tenant,
    -- Whose token it was: a key is its caller's own.
    subject    text        NOT NULL,
    key        text        NOT NULL,
    operation  text        NOT NULL,
    -- SHA-256 of the arguments.
    body       bytea       NOT NULL,
    -- What the caller is told again, as far as it cannot be read from elsewhere.
    answer     jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (tenant_id, subject, key),
    CONSTRAINT idempotency_body_check CHECK (length(body) = 32)
);
CREATE INDEX idempotency_created_at_idx ON idempotency (tenant_id, created_at);

ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY idempotency_tenant ON idempotency TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY idempotency_system ON idempotency TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO simcube_app, simcube_system;
