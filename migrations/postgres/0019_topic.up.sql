-- What is read from topics of Kafka. No tenant sees any of it: a topic names none.

-- How far each partition is journaled. It moves in the transaction that journals its messages and from where it was only, so
-- messages count once whoever reads them. The broker's committed offset decides nothing.
CREATE TABLE topic_position (
    cluster     text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    -- The first offset that is not journaled; -1 before the first message.
    next_offset bigint      NOT NULL,
    -- SHA-256 of the last message, which lay right before; null where an operator put the position.
    digest      bytea,
    -- Why nothing is read until an operator decides.
    stopped     text,
    moved_at    timestamptz NOT NULL,
    CONSTRAINT topic_position_pkey PRIMARY KEY (cluster, topic, partition),
    CONSTRAINT topic_position_offset_check CHECK (next_offset >= -1),
    CONSTRAINT topic_position_digest_check CHECK (length(digest) = 32),
    CONSTRAINT topic_position_stopped_check CHECK (stopped IN ('OFFSET_LOST', 'TOPIC_REPLACED'))
);

-- What became of the messages, by hour of receipt and by why they were read: in their order, again from the topic, again from
-- quarantine. A message of which anything can be read is one record.
CREATE TABLE topic_account (
    cluster       text        NOT NULL,
    topic         text        NOT NULL,
    partition     integer     NOT NULL,
    reading       text        NOT NULL,
    received_hour timestamptz NOT NULL,
    read          bigint      NOT NULL,
    tombstones    bigint      NOT NULL,
    quarantined   bigint      NOT NULL,
    decoded       bigint      NOT NULL,
    accepted      bigint      NOT NULL,
    duplicate     bigint      NOT NULL,
    rejected      bigint      NOT NULL,
    CONSTRAINT topic_account_pkey PRIMARY KEY (cluster, topic, partition, reading, received_hour),
    CONSTRAINT topic_account_reading_check CHECK (reading IN ('CONSUME', 'REPLAY', 'RELEASE')),
    CONSTRAINT topic_account_read_check CHECK (read = tombstones + quarantined + decoded),
    CONSTRAINT topic_account_decoded_check CHECK (decoded = accepted + duplicate + rejected),
    CONSTRAINT topic_account_counts_check CHECK
        (least(read, tombstones, quarantined, decoded, accepted, duplicate, rejected) >= 0)
);

-- Messages that are nobody's or that nobody can read, with all of their bytes.
CREATE TABLE topic_quarantine (
    message_id     uuid        NOT NULL DEFAULT uuidv7(),
    cluster        text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    message_offset bigint      NOT NULL,
    key            bytea,
    payload        bytea       NOT NULL,
    reason         text        NOT NULL,
    message        text        NOT NULL,
    received_at    timestamptz NOT NULL,
    -- When the dead letter of it was taken by the broker, at least once.
    sent_at        timestamptz,
    -- When it was read again and was a tenant's.
    released_at    timestamptz,
    CONSTRAINT topic_quarantine_pkey PRIMARY KEY (message_id)
);
CREATE INDEX topic_quarantine_place_idx ON topic_quarantine (cluster, topic, partition, message_offset);
CREATE INDEX topic_quarantine_unsent_idx ON topic_quarantine (cluster, message_id) WHERE sent_at IS NULL;
CREATE INDEX topic_quarantine_kept_idx ON topic_quarantine (message_id) WHERE released_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON topic_position, topic_account, topic_quarantine TO simcube_system;
