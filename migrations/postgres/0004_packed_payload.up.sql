-- Payloads of batches are stored compressed from now on; those that are there are not.

ALTER TABLE intake_batch ADD COLUMN packed boolean NOT NULL DEFAULT false;
