-- The labels of a page are read from the key alone, without their rows.
ALTER TABLE sim_label
    DROP CONSTRAINT sim_label_pkey,
    ADD CONSTRAINT sim_label_pkey PRIMARY KEY (tenant_id, sim_id, label_id) INCLUDE (value);
ALTER TABLE device_label
    DROP CONSTRAINT device_label_pkey,
    ADD CONSTRAINT device_label_pkey PRIMARY KEY (tenant_id, device_id, label_id) INCLUDE (value);
