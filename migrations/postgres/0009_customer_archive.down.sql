ALTER TABLE customer DROP COLUMN archived_at;
