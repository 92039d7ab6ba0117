-- A message that cannot be read stops its partition, too: it is damaged, or its batch comes to more than a client unpacks.
ALTER TABLE topic_position
    DROP CONSTRAINT topic_position_stopped_check,
    ADD CONSTRAINT topic_position_stopped_check CHECK (stopped IN ('OFFSET_LOST', 'TOPIC_REPLACED', 'UNREADABLE'));
