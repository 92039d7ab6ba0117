-- How far each source of a tenant's usage has come. Kept in the transaction that journals a batch, after the accounting and before the
-- accounts of topics, by tenant, kind and source.
CREATE TABLE intake_progress (
    tenant_id          uuid        NOT NULL REFERENCES tenant,
    kind               text        NOT NULL,
    source             text        NOT NULL,
    -- The topic that it comes through; null of one that was delivered over HTTP only.
    topic              text,
    -- Of its records that count: when the newest usage began, and when any was received last.
    newest_event_at    timestamptz NOT NULL,
    newest_received_at timestamptz NOT NULL,
    -- How late its records may come.
    lateness_minutes   integer     NOT NULL DEFAULT 60,
    -- Since when nobody waits for it. A record that is new ends that.
    retired_at         timestamptz,
    CONSTRAINT intake_progress_pkey PRIMARY KEY (tenant_id, kind, source),
    CONSTRAINT intake_progress_kind_check CHECK (kind IN ('CDR', 'SESSION')),
    CONSTRAINT intake_progress_lateness_check CHECK (lateness_minutes BETWEEN 0 AND 525600)
) WITH (fillfactor = 70);

ALTER TABLE intake_progress ENABLE ROW LEVEL SECURITY;
ALTER TABLE intake_progress FORCE ROW LEVEL SECURITY;
CREATE POLICY intake_progress_tenant ON intake_progress TO simcube_app USING (tenant_id = current_tenant());
CREATE POLICY intake_progress_system ON intake_progress TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT ON intake_progress TO simcube_app;
GRANT SELECT, INSERT, UPDATE ON intake_progress TO simcube_system;

-- Where a partition ended when it was read last, and when the newest usage began that was read of it, whoever's.
ALTER TABLE topic_position
    ADD COLUMN end_offset      bigint NOT NULL DEFAULT -1,
    ADD COLUMN newest_event_at timestamptz;

-- Of each topic of which messages wait to be read, how far that partition is which is least far. No tenant sees positions, and this says
-- nothing else of them.
CREATE FUNCTION topics_held() RETURNS TABLE (topic text, held_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT topic, min(coalesce(least(newest_event_at, moved_at), '-infinity'))
    FROM topic_position
    WHERE next_offset < end_offset OR stopped IS NOT NULL
    GROUP BY topic
$$;
REVOKE EXECUTE ON FUNCTION topics_held FROM PUBLIC;
GRANT EXECUTE ON FUNCTION topics_held TO simcube_app, simcube_system;

-- Row security is forced, so the owner of the tables would find no accounts. They know hours only: what comes next says it exactly.
SET LOCAL ROLE simcube_system;
INSERT INTO intake_progress (tenant_id, kind, source, newest_event_at, newest_received_at)
SELECT tenant_id, kind, source, max(event_hour), max(received_hour)
FROM intake_accounting WHERE source <> '' AND accepted + duplicate > 0
GROUP BY tenant_id, kind, source;
RESET ROLE;

-- An answer says whether it is complete.
CREATE TRIGGER version_added AFTER INSERT ON intake_progress REFERENCING NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('usage');
CREATE TRIGGER version_changed AFTER UPDATE ON intake_progress REFERENCING OLD TABLE AS gone NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('usage');
CREATE TRIGGER version_removed AFTER DELETE ON intake_progress REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION version_raised('usage');
CREATE TRIGGER version_emptied AFTER TRUNCATE ON intake_progress
    FOR EACH STATEMENT EXECUTE FUNCTION versions_raised('usage');
