DROP FUNCTION topics_held;
ALTER TABLE topic_position DROP COLUMN end_offset, DROP COLUMN newest_event_at;
DROP TABLE intake_progress;
