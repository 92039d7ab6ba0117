DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed
    AFTER UPDATE OF slug, name, simulated, created_at, record_days, record_days_set_at, records_since, export_days, export_bytes,
                    session_days, session_days_before, session_days_set_at ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
ALTER TABLE tenant DROP COLUMN session_minutes;
