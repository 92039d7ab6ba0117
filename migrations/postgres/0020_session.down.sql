DROP TRIGGER version_changed ON tenant;
CREATE TRIGGER version_changed
    AFTER UPDATE OF slug, name, simulated, created_at, record_days, record_days_set_at, records_since, export_days, export_bytes ON tenant
    FOR EACH ROW EXECUTE FUNCTION version_of_row_raised('access');
ALTER TABLE tenant
    DROP COLUMN session_days,
    DROP COLUMN session_days_before,
    DROP COLUMN session_days_set_at;
DROP TABLE session_point, session;
DELETE FROM intake_batch WHERE kind <> 'CDR';
DELETE FROM intake_batch_tenant WHERE kind <> 'CDR';
DELETE FROM intake_rejection WHERE kind <> 'CDR';
DELETE FROM intake_accounting WHERE kind <> 'CDR';
ALTER TABLE intake_batch DROP COLUMN kind;
ALTER TABLE intake_batch_tenant DROP COLUMN kind;
ALTER TABLE intake_rejection DROP COLUMN kind;
ALTER TABLE intake_accounting
    DROP CONSTRAINT intake_accounting_pkey,
    DROP COLUMN kind,
    ADD CONSTRAINT intake_accounting_pkey PRIMARY KEY (tenant_id, source, received_hour, event_hour);
