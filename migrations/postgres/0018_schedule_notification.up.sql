-- Work that is asked for once and done every month: a job for each month that has ended.
CREATE TABLE schedule (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    schedule_id uuid        NOT NULL DEFAULT uuidv7(),
    kind        text        NOT NULL,
    name        text        NOT NULL,
    -- What is asked about each month, in the form that the kind of work gave it.
    request     jsonb       NOT NULL,
    -- In which months begin and end.
    time_zone   text        NOT NULL,
    -- Subject of the token of whoever made it, what the token said, and what that came to: there is no token when it runs.
    created_by  text        NOT NULL,
    asker       jsonb       NOT NULL,
    enabled     boolean     NOT NULL DEFAULT true,
    -- First day of the month that the next job is about, and the moment at which that month ends in the zone.
    next_month  date        NOT NULL,
    ends_at     timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT schedule_pkey PRIMARY KEY (tenant_id, schedule_id),
    CONSTRAINT schedule_kind_check CHECK (kind IN ('EXPORT')),
    -- The name of a job has the month behind it.
    CONSTRAINT schedule_name_check CHECK (length(name) BETWEEN 1 AND 92),
    CONSTRAINT schedule_month_check CHECK (extract(day FROM next_month) = 1)
);
CREATE INDEX schedule_name_idx ON schedule (tenant_id, name, schedule_id);
CREATE INDEX schedule_created_idx ON schedule (tenant_id, created_at, schedule_id);
-- What is due, over all tenants.
CREATE INDEX schedule_due_idx ON schedule (ends_at, schedule_id) WHERE enabled;

ALTER TABLE schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedule FORCE ROW LEVEL SECURITY;
CREATE POLICY schedule_tenant ON schedule TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY schedule_system ON schedule TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON schedule TO simcube_app;
GRANT SELECT, UPDATE ON schedule TO simcube_system;

-- Which schedule made a job, which may be gone since, about which month, and until when at least it keeps what it makes.
ALTER TABLE job
    ADD COLUMN schedule_id    uuid,
    ADD COLUMN schedule_month date,
    ADD COLUMN keep_until     timestamptz,
    ADD CONSTRAINT job_schedule_check CHECK ((schedule_id IS NULL) = (schedule_month IS NULL));
-- Whoever comes first makes the job of a month.
CREATE UNIQUE INDEX job_schedule_key ON job (tenant_id, schedule_id, schedule_month) WHERE schedule_id IS NOT NULL;

-- What somebody is told: that something ended, which lies elsewhere.
CREATE TABLE notification (
    tenant_id       uuid        NOT NULL REFERENCES tenant,
    notification_id uuid        NOT NULL DEFAULT uuidv7(),
    -- Whose tokens are meant.
    subject         text        NOT NULL,
    kind            text        NOT NULL,
    -- What it is about, of the table that the kind says. It may be gone.
    object_id       uuid        NOT NULL,
    -- What that was called, and why it came to nothing, as it was then.
    name            text        NOT NULL,
    code            text,
    created_at      timestamptz NOT NULL,
    read_at         timestamptz,
    CONSTRAINT notification_pkey PRIMARY KEY (tenant_id, notification_id),
    CONSTRAINT notification_kind_check CHECK (kind IN ('EXPORT_COMPLETE', 'EXPORT_FAILED'))
);
CREATE INDEX notification_created_idx ON notification (tenant_id, subject, created_at, notification_id);
CREATE INDEX notification_unread_idx ON notification (tenant_id, subject) WHERE read_at IS NULL;
-- What goes, over all tenants.
CREATE INDEX notification_old_idx ON notification (created_at);

ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification FORCE ROW LEVEL SECURITY;
CREATE POLICY notification_tenant ON notification TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY notification_system ON notification TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON notification TO simcube_app;
GRANT SELECT, INSERT, DELETE ON notification TO simcube_system;
