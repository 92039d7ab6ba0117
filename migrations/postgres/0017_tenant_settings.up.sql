-- What a tenant has otherwise than the installation: how long records and files are kept, and how many bytes of files. Null is what
-- the installation gives everybody.
ALTER TABLE tenant
    ADD COLUMN record_days            integer,
    -- When that was changed last, and when the usage store had all of it.
    ADD COLUMN record_days_set_at     timestamptz,
    ADD COLUMN record_days_applied_at timestamptz,
    -- Records that began earlier may have gone under what it was before.
    ADD COLUMN records_since          timestamptz,
    ADD COLUMN export_days            integer,
    ADD COLUMN export_bytes           bigint,
    ADD CONSTRAINT tenant_record_days_check CHECK (record_days BETWEEN 60 AND 3650),
    ADD CONSTRAINT tenant_record_days_set_check CHECK (
        record_days_set_at IS NOT NULL OR num_nonnulls(record_days_applied_at, records_since) = 0),
    ADD CONSTRAINT tenant_export_days_check CHECK (export_days BETWEEN 1 AND 3650),
    ADD CONSTRAINT tenant_export_bytes_check CHECK (export_bytes > 0);

-- Callers are shown their settings.
DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed
    AFTER UPDATE OF slug, name, simulated, created_at, record_days, record_days_set_at, records_since, export_days, export_bytes ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
