-- Views first: nothing may feed a table that is going.
DROP VIEW IF EXISTS usage_small_view SYNC;
DROP VIEW IF EXISTS usage_small_year_view SYNC;
DROP TABLE IF EXISTS usage_small_filled SYNC;
DROP TABLE IF EXISTS usage_small SYNC;
