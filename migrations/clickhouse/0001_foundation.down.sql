-- Views first: nothing may feed a table that is going.
DROP VIEW IF EXISTS usage_hour_view SYNC;
DROP VIEW IF EXISTS usage_day_view SYNC;
DROP VIEW IF EXISTS usage_month_view SYNC;
DROP VIEW IF EXISTS usage_year_view SYNC;
DROP TABLE IF EXISTS usage_year SYNC;
DROP TABLE IF EXISTS usage_month SYNC;
DROP TABLE IF EXISTS usage_day SYNC;
DROP TABLE IF EXISTS usage_hour SYNC;
DROP TABLE IF EXISTS cdr SYNC;
DROP TABLE IF EXISTS network SYNC;
DROP TABLE IF EXISTS intake_mark SYNC;
