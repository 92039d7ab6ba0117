DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed AFTER UPDATE OF slug, name, simulated, created_at ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
ALTER TABLE tenant
    DROP COLUMN record_days,
    DROP COLUMN record_days_set_at,
    DROP COLUMN record_days_applied_at,
    DROP COLUMN records_since,
    DROP COLUMN export_days,
    DROP COLUMN export_bytes;
