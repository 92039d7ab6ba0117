ALTER TABLE intake_batch DROP COLUMN packed;
