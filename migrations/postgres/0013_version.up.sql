-- Versions of what answers are read from: who keeps an answer keeps it under them, and asks for them with every request.
--
-- The version of a subject in a tenant is the set of its marks. Every change leaves a mark of its own and takes older ones away, as
-- far as no other change is at them: nobody waits for anybody, so no order of changes can end in a circle. Two snapshots that
-- have the same set have no change between them, because the newest change's mark is in the later one only. Marks are random and
-- not counted: one that a crash took back never comes again with another meaning.
-- Triggers, because no writer can forget them.
CREATE TABLE version (
    tenant_id uuid NOT NULL REFERENCES tenant,
    subject   text NOT NULL,
    mark      uuid NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT version_pkey PRIMARY KEY (tenant_id, subject, mark)
);

ALTER TABLE version ENABLE ROW LEVEL SECURITY;
ALTER TABLE version FORCE ROW LEVEL SECURITY;
CREATE POLICY version_tenant ON version TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY version_system ON version TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON version TO simcube_app, simcube_system;

-- It takes the place of the version of access alone.
DROP TRIGGER grants_removed ON segment_grant;
DROP TRIGGER grants_changed ON segment_grant;
DROP TRIGGER grants_added ON segment_grant;
DROP FUNCTION grants_changed;
DROP TRIGGER customer_access_ended ON customer;
DROP TRIGGER customer_access_changed ON customer;
DROP FUNCTION customer_access_changed;
DROP TRIGGER tenant_gets_access_version ON tenant;
DROP FUNCTION tenant_gets_access_version;
DROP TABLE access_version;

CREATE FUNCTION raise_version(tenants uuid[], raised text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- In another isolation, a mark that somebody took away since the snapshot would be an error.
    IF current_setting('transaction_isolation') = 'read committed' THEN
        DELETE FROM version WHERE ctid = ANY (ARRAY(
            SELECT old.ctid FROM version AS old
            WHERE old.tenant_id = ANY (tenants) AND old.subject = raised FOR UPDATE SKIP LOCKED));
    END IF;
    INSERT INTO version (tenant_id, subject) SELECT one, raised FROM unnest(tenants) AS one;
END $$;

-- Of the tenants whose rows a statement touched.
CREATE FUNCTION version_raised() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tenants uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT tenant_id) INTO tenants FROM come;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(DISTINCT tenant_id) INTO tenants FROM gone;
    ELSE
        SELECT array_agg(DISTINCT touched.tenant_id) INTO tenants
        FROM (SELECT tenant_id FROM gone UNION ALL SELECT tenant_id FROM come) AS touched;
    END IF;
    IF tenants IS NOT NULL THEN
        PERFORM raise_version(tenants, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

-- Of one row's tenant, where most changes of a row change nothing that is read.
CREATE FUNCTION version_of_row_raised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_version(ARRAY[CASE TG_OP WHEN 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END], TG_ARGV[0]);
    RETURN NULL;
END $$;

-- Of every tenant. Row security is forced: the owner of the tables, who migrates, would find no tenants.
CREATE FUNCTION versions_raised() RETURNS trigger LANGUAGE plpgsql SET role = 'simcube_system' AS $$
BEGIN
    PERFORM raise_version(ARRAY(SELECT tenant_id FROM tenant), TG_ARGV[0]);
    RETURN NULL;
END $$;

-- The cubes of ClickHouse change where batches and corrections are written down here, before their first statement and after the last.
DO $$
DECLARE
    of record;
BEGIN
    FOR of IN SELECT * FROM (VALUES
        ('customer', 'customer'),
        ('sim', 'sim'),
        ('device', 'device'),
        ('sim_customer', 'assignment'),
        ('sim_device', 'assignment'),
        ('device_customer', 'assignment'),
        ('label_definition', 'label'),
        ('sim_label', 'label'),
        ('device_label', 'label'),
        ('segment_grant', 'access'),
        ('intake_batch_tenant', 'usage')) AS known (name, subject)
    LOOP
        EXECUTE format('CREATE TRIGGER version_added AFTER INSERT ON %I REFERENCING NEW TABLE AS come
            FOR EACH STATEMENT EXECUTE FUNCTION version_raised(%L)', of.name, of.subject);
        EXECUTE format('CREATE TRIGGER version_changed AFTER UPDATE ON %I REFERENCING OLD TABLE AS gone NEW TABLE AS come
            FOR EACH STATEMENT EXECUTE FUNCTION version_raised(%L)', of.name, of.subject);
        EXECUTE format('CREATE TRIGGER version_removed AFTER DELETE ON %I REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION version_raised(%L)', of.name, of.subject);
        EXECUTE format('CREATE TRIGGER version_emptied AFTER TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION versions_raised(%L)', of.name, of.subject);
    END LOOP;
END $$;

CREATE TRIGGER version_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON network
    FOR EACH STATEMENT EXECUTE FUNCTION versions_raised('access');

-- A correction says more than once until when it may begin.
CREATE TRIGGER version_added AFTER INSERT ON intake_correction
    FOR EACH ROW EXECUTE FUNCTION versions_raised('usage');
CREATE TRIGGER version_removed AFTER DELETE ON intake_correction
    FOR EACH ROW EXECUTE FUNCTION versions_raised('usage');
GRANT SELECT ON intake_correction TO simcube_app;

-- The tenant's row also has the version of its fleet, which nobody is shown.
CREATE TRIGGER version_added AFTER INSERT ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
CREATE TRIGGER version_changed AFTER UPDATE OF slug, name, simulated, created_at ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');

-- A new customer changes nobody's scope, and most updates of one are about names.
CREATE TRIGGER access_changed AFTER UPDATE ON customer
    FOR EACH ROW WHEN (
        (OLD.customer_id, OLD.slug, OLD.archived_at, OLD.see_devices, OLD.see_sims, OLD.see_sessions, OLD.see_usage, OLD.see_billing)
        IS DISTINCT FROM
        (NEW.customer_id, NEW.slug, NEW.archived_at, NEW.see_devices, NEW.see_sims, NEW.see_sessions, NEW.see_usage, NEW.see_billing)
    ) EXECUTE FUNCTION version_of_row_raised('access');
CREATE TRIGGER access_ended AFTER DELETE ON customer
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');

-- Row security is forced, so the owner of the tables would find no tenants.
SET LOCAL ROLE simcube_system;
INSERT INTO version (tenant_id, subject) SELECT tenant_id, 'access' FROM tenant;
RESET ROLE;
