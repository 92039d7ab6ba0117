ALTER TABLE cdr MODIFY SETTING ttl_only_drop_parts = 1;
ALTER TABLE cdr MODIFY TTL toDateTime(start) + INTERVAL 400 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE cdr DROP COLUMN IF EXISTS expires;
