-- Since when a customer is not served any more. Its row and its short name stay: tokens, files and usage name them.
ALTER TABLE customer ADD COLUMN archived_at timestamptz;
