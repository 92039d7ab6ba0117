-- The mark that is about to be left in ClickHouse: a server that ends before it is confirmed leaves either of the two there.
ALTER TABLE intake_mark ADD COLUMN announced uuid, ALTER COLUMN mark DROP NOT NULL;
