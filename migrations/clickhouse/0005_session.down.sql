-- Views first: nothing may feed a table that is going.
DROP VIEW IF EXISTS sim_last_seen_view SYNC;
DROP VIEW IF EXISTS session_live_view SYNC;
DROP VIEW IF EXISTS session_small_view SYNC;
DROP VIEW IF EXISTS session_small_year_view SYNC;
DROP VIEW IF EXISTS session_hour_view SYNC;
DROP VIEW IF EXISTS session_day_view SYNC;
DROP VIEW IF EXISTS session_month_view SYNC;
DROP VIEW IF EXISTS session_year_view SYNC;
DROP TABLE IF EXISTS sim_last_seen SYNC;
DROP TABLE IF EXISTS session_live SYNC;
DROP TABLE IF EXISTS session_small SYNC;
DROP TABLE IF EXISTS session_year SYNC;
DROP TABLE IF EXISTS session_month SYNC;
DROP TABLE IF EXISTS session_day SYNC;
DROP TABLE IF EXISTS session_hour SYNC;
DROP TABLE IF EXISTS session_log SYNC;
