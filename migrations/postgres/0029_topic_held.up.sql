-- When an operator said that nobody waits for what a partition had: its cluster is gone, or its topic has fewer partitions now.
ALTER TABLE topic_position ADD COLUMN forgotten_at timestamptz;

-- Whether messages wait to be read.
ALTER TABLE topic_position ADD COLUMN held boolean NOT NULL GENERATED ALWAYS AS
    (forgotten_at IS NULL AND (stopped IS NOT NULL OR next_offset < end_offset)) STORED;

-- Of each topic of which messages wait to be read, how far that partition is which is least far: one of which no usage was read is
-- nowhere. No tenant sees positions, and this says nothing else of them.
CREATE OR REPLACE FUNCTION topics_held() RETURNS TABLE (topic text, held_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT topic, min(least(coalesce(newest_event_at, '-infinity'), moved_at))
    FROM topic_position WHERE held GROUP BY topic
$$;

-- An answer that was complete is not any more when messages begin to wait. While they do, no answer is kept.
CREATE FUNCTION version_of_topic_raised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_version(ARRAY(SELECT DISTINCT tenant_id FROM intake_progress WHERE topic = NEW.topic), 'usage');
    RETURN NULL;
END $$;
CREATE TRIGGER version_held AFTER UPDATE ON topic_position
    FOR EACH ROW WHEN (NEW.held AND NOT OLD.held) EXECUTE FUNCTION version_of_topic_raised();
