DROP TRIGGER version_held ON topic_position;
DROP FUNCTION version_of_topic_raised;
CREATE OR REPLACE FUNCTION topics_held() RETURNS TABLE (topic text, held_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT topic, min(coalesce(least(newest_event_at, moved_at), '-infinity'))
    FROM topic_position
    WHERE next_offset < end_offset OR stopped IS NOT NULL
    GROUP BY topic
$$;
ALTER TABLE topic_position DROP COLUMN held;
ALTER TABLE topic_position DROP COLUMN forgotten_at;
