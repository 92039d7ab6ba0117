-- The version before reads such a partition as if nothing were wrong, and stands before that message.
UPDATE topic_position SET stopped = NULL WHERE stopped = 'UNREADABLE';
ALTER TABLE topic_position
    DROP CONSTRAINT topic_position_stopped_check,
    ADD CONSTRAINT topic_position_stopped_check CHECK (stopped IN ('OFFSET_LOST', 'TOPIC_REPLACED'));
