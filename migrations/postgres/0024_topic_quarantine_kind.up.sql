-- Topics have session rollups, too. What is released from quarantine is read as what it was read as before, whatever topics are called by
-- then. A server of the version before reads CDRs only, and files what it quarantines without saying so.
ALTER TABLE topic_quarantine
    ADD COLUMN kind text NOT NULL DEFAULT 'CDR',
    ADD CONSTRAINT topic_quarantine_kind_check CHECK (kind IN ('CDR', 'SESSION'));

-- They are listed, newest first.
CREATE INDEX topic_quarantine_received_idx ON topic_quarantine (received_at, message_id);
