-- Records go by a day of their own, which intake gives them: the retention of their tenant, counted from the end of the month in which
-- they began. So records of a month that are kept equally long go together, and a part that holds nothing else is dropped, not read.
-- What is there, and what a program of the version before goes on inserting, is kept for 400 days.
ALTER TABLE cdr ADD COLUMN IF NOT EXISTS expires Date DEFAULT addMonths(toStartOfMonth(start), 1) + 400;

-- Nothing is rewritten for it: parts that are there keep the day that they have, which is no later.
ALTER TABLE cdr MODIFY TTL expires SETTINGS materialize_ttl_after_modify = 0;

-- A part may hold records of tenants whose retention differs: those that expired are taken out by a merge.
ALTER TABLE cdr MODIFY SETTING ttl_only_drop_parts = 0;
