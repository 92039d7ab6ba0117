-- Filters of SIMs and of devices that a tenant keeps under a name.
CREATE TABLE saved_filter (
    tenant_id       uuid        NOT NULL REFERENCES tenant,
    saved_filter_id uuid        NOT NULL DEFAULT uuidv7(),
    kind            text        NOT NULL,
    name            text        NOT NULL,
    -- {"version", "filter"}: the filter as the contract spells it.
    filter          jsonb       NOT NULL,
    -- Subject of the token of whoever saved it.
    created_by      text        NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT saved_filter_pkey PRIMARY KEY (tenant_id, saved_filter_id),
    CONSTRAINT saved_filter_name_key UNIQUE (tenant_id, kind, name),
    CONSTRAINT saved_filter_kind_check CHECK (kind IN ('SIM', 'DEVICE')),
    CONSTRAINT saved_filter_name_check CHECK (length(name) BETWEEN 1 AND 100)
);
CREATE INDEX saved_filter_name_idx ON saved_filter (tenant_id, name, saved_filter_id);
CREATE INDEX saved_filter_created_idx ON saved_filter (tenant_id, created_at, saved_filter_id);

ALTER TABLE saved_filter ENABLE ROW LEVEL SECURITY;
ALTER TABLE saved_filter FORCE ROW LEVEL SECURITY;
CREATE POLICY saved_filter_tenant ON saved_filter TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY saved_filter_system ON saved_filter TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON saved_filter TO simcube_app, simcube_system;

CREATE TRIGGER version_added AFTER INSERT ON saved_filter REFERENCING NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('saved_filter');
CREATE TRIGGER version_changed AFTER UPDATE ON saved_filter REFERENCING OLD TABLE AS gone NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('saved_filter');
CREATE TRIGGER version_removed AFTER DELETE ON saved_filter REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('saved_filter');
CREATE TRIGGER version_emptied AFTER TRUNCATE ON saved_filter
    FOR EACH STATEMENT EXECUTE FUNCTION versions_raised('saved_filter');
