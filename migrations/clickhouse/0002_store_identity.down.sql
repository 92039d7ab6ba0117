DROP TABLE IF EXISTS store_identity SYNC;
