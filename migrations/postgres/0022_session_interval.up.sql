-- Minutes between two rollups of a session that goes on. Null is what the installation gives everybody.
ALTER TABLE tenant
    ADD COLUMN session_minutes integer,
    ADD CONSTRAINT tenant_session_minutes_check CHECK (session_minutes BETWEEN 1 AND 1440);

-- By it is told who is online.
DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed
    AFTER UPDATE OF slug, name, simulated, created_at, record_days, record_days_set_at, records_since, export_days, export_bytes,
                    session_days, session_days_before, session_days_set_at, session_minutes ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
