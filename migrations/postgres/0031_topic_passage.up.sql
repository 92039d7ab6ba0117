-- Which messages each batch of rollups was made of. What a rollup counts depends on what came in batches before it, so the rows of a batch
-- can be made again from its messages and from those of the batches before.
CREATE TABLE topic_passage (
    cluster     text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    -- Where the messages before ended, -1 before the first.
    from_offset bigint      NOT NULL,
    -- Behind the last message.
    to_offset   bigint      NOT NULL,
    batch_id    uuid        NOT NULL,
    -- When the batch was received.
    received_at timestamptz NOT NULL,
    -- Of two batches with rollups of one session the later one has the greater place: it is taken while their sessions are locked.
    place       bigint      NOT NULL,
    CONSTRAINT topic_passage_pkey PRIMARY KEY (cluster, topic, partition, to_offset),
    CONSTRAINT topic_passage_offset_check CHECK (from_offset >= -1 AND from_offset < to_offset)
);
-- They go by age.
CREATE INDEX topic_passage_received_idx ON topic_passage (received_at);
CREATE SEQUENCE topic_passage_place_seq;

GRANT SELECT, INSERT, DELETE ON topic_passage TO simcube_system;
GRANT USAGE ON SEQUENCE topic_passage_place_seq TO simcube_system;
