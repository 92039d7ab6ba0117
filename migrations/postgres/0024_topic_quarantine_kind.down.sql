DROP INDEX topic_quarantine_received_idx;
ALTER TABLE topic_quarantine DROP COLUMN kind;
