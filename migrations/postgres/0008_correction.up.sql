-- Whoever changes records or cubes beside an insert says so first, and until when a statement of it may begin, by the clock of
-- ClickHouse. The row goes with the lock that it was written under. One that is left behind is of a process that is gone: its
-- statement may still run. One row.
CREATE TABLE intake_correction (
    only_row boolean     NOT NULL DEFAULT true,
    begin_by timestamptz NOT NULL,
    CONSTRAINT intake_correction_pkey PRIMARY KEY (only_row),
    CONSTRAINT intake_correction_only_row_check CHECK (only_row)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON intake_correction TO simcube_system;
