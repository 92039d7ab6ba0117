-- Without a mark the last server did not stop in order.
UPDATE intake_mark SET mark = coalesce(mark, announced);
ALTER TABLE intake_mark DROP COLUMN announced, ALTER COLUMN mark SET NOT NULL;
