DROP TABLE notification;
DROP INDEX job_schedule_key;
ALTER TABLE job
    DROP CONSTRAINT job_schedule_check,
    DROP COLUMN keep_until,
    DROP COLUMN schedule_month,
    DROP COLUMN schedule_id;
DROP TABLE schedule;
