DROP TABLE intake_mark, intake_filter, intake_month, intake_identity, intake_batch_tenant, intake_batch;
DROP FUNCTION open_intake_month, drop_intake_month;
DROP SEQUENCE intake_part_seq;

CREATE TABLE intake_batch (
    tenant_id  uuid        NOT NULL REFERENCES tenant,
    batch_id   uuid        NOT NULL,
    source     text        NOT NULL,
    rows       bigint      NOT NULL,
    payload    bytea,
    created_at timestamptz NOT NULL,
    applied_at timestamptz,
    CONSTRAINT intake_batch_pkey PRIMARY KEY (tenant_id, batch_id)
);
ALTER TABLE intake_batch ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX intake_batch_open_idx ON intake_batch (tenant_id, created_at) WHERE payload IS NOT NULL;
CREATE TABLE intake_identity (
    tenant_id uuid        NOT NULL,
    place     bigint      NOT NULL,
    identity  uuid        NOT NULL,
    content   uuid        NOT NULL,
    batch_id  uuid        NOT NULL,
    event_at  timestamptz NOT NULL,
    CONSTRAINT intake_identity_pkey PRIMARY KEY (tenant_id, place, identity)
);
DO $$
DECLARE t text;
BEGIN
    FOR t IN SELECT unnest(ARRAY['intake_batch', 'intake_identity'])
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO simcube_app USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t || '_tenant', t);
        EXECUTE format('CREATE POLICY %I ON %I TO simcube_system USING (true) WITH CHECK (true)', t || '_system', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO simcube_app, simcube_system', t);
    END LOOP;
END $$;
