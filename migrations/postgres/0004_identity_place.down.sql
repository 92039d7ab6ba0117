ALTER TABLE intake_identity
    DROP CONSTRAINT intake_identity_pkey,
    DROP COLUMN place,
    ADD CONSTRAINT intake_identity_pkey PRIMARY KEY (tenant_id, identity);
