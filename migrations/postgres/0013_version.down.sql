DROP TRIGGER access_ended ON customer;
DROP TRIGGER access_changed ON customer;
DROP TRIGGER version_changed ON tenant;
DROP TRIGGER version_added ON tenant;
REVOKE SELECT ON intake_correction FROM simcube_app;
DROP TRIGGER version_removed ON intake_correction;
DROP TRIGGER version_added ON intake_correction;
DROP TRIGGER version_changed ON network;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['customer', 'sim', 'device', 'sim_customer', 'sim_device', 'device_customer', 'label_definition',
        'sim_label', 'device_label', 'segment_grant', 'intake_batch_tenant']
    LOOP
        EXECUTE format('DROP TRIGGER version_emptied ON %I', name);
        EXECUTE format('DROP TRIGGER version_removed ON %I', name);
        EXECUTE format('DROP TRIGGER version_changed ON %I', name);
        EXECUTE format('DROP TRIGGER version_added ON %I', name);
    END LOOP;
END $$;
DROP FUNCTION versions_raised;
DROP FUNCTION version_of_row_raised;
DROP FUNCTION version_raised;
DROP FUNCTION raise_version;
DROP TABLE version;

CREATE TABLE access_version (
    tenant_id uuid NOT NULL REFERENCES tenant,
    version   uuid NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT access_version_pkey PRIMARY KEY (tenant_id)
);

ALTER TABLE access_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_version FORCE ROW LEVEL SECURITY;
CREATE POLICY access_version_tenant ON access_version TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY access_version_system ON access_version TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON access_version TO simcube_app;
GRANT SELECT, INSERT, UPDATE ON access_version TO simcube_system;

CREATE FUNCTION tenant_gets_access_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_version (tenant_id) VALUES (NEW.tenant_id);
    RETURN NULL;
END $$;
CREATE TRIGGER tenant_gets_access_version AFTER INSERT ON tenant
    FOR EACH ROW EXECUTE FUNCTION tenant_gets_access_version();

-- A new customer changes nobody's scope, and most updates of one are about names.
CREATE FUNCTION customer_access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_version SET version = gen_random_uuid() WHERE tenant_id = OLD.tenant_id;
    RETURN NULL;
END $$;
CREATE TRIGGER customer_access_changed AFTER UPDATE ON customer
    FOR EACH ROW WHEN (
        (OLD.slug, OLD.archived_at, OLD.see_devices, OLD.see_sims, OLD.see_sessions, OLD.see_usage, OLD.see_billing)
        IS DISTINCT FROM
        (NEW.slug, NEW.archived_at, NEW.see_devices, NEW.see_sims, NEW.see_sessions, NEW.see_usage, NEW.see_billing)
    ) EXECUTE FUNCTION customer_access_changed();
CREATE TRIGGER customer_access_ended AFTER DELETE ON customer
    FOR EACH ROW EXECUTE FUNCTION customer_access_changed();

CREATE FUNCTION grants_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_version SET version = gen_random_uuid() WHERE tenant_id IN (SELECT changed.tenant_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER grants_added AFTER INSERT ON segment_grant
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION grants_changed();
CREATE TRIGGER grants_changed AFTER UPDATE ON segment_grant
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION grants_changed();
CREATE TRIGGER grants_removed AFTER DELETE ON segment_grant
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION grants_changed();

-- Row security is forced, so the owner of the tables would find no tenants.
SET LOCAL ROLE simcube_system;
INSERT INTO access_version (tenant_id) SELECT tenant_id FROM tenant;
RESET ROLE;
