-- Who a device belonged to, and when (CUS-05). Half-open UTC ranges; a gap means unassigned. `device.customer_id` stays
-- the present customer, which is who sees the device.

CREATE TABLE device_customer (
    tenant_id   uuid      NOT NULL,
    device_id   uuid      NOT NULL,
    customer_id uuid      NOT NULL,
    valid       tstzrange NOT NULL,
    CONSTRAINT device_customer_pkey PRIMARY KEY (tenant_id, device_id, valid WITHOUT OVERLAPS),
    CONSTRAINT device_customer_device_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES device,
    CONSTRAINT device_customer_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    CONSTRAINT device_customer_valid_check CHECK (lower_inc(valid) AND NOT upper_inc(valid))
);
CREATE INDEX device_customer_customer_idx ON device_customer (tenant_id, customer_id);
-- The primary key is a GiST index, which is slow to look one device up in.
CREATE INDEX device_customer_device_idx ON device_customer (tenant_id, device_id) INCLUDE (customer_id, valid);

ALTER TABLE device_customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_customer FORCE ROW LEVEL SECURITY;
CREATE POLICY device_customer_tenant ON device_customer TO simcube_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY device_customer_system ON device_customer TO simcube_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON device_customer TO simcube_app, simcube_system;

-- Row security is forced, so the owner of the tables would find no devices.
SET LOCAL ROLE simcube_system;
INSERT INTO device_customer (tenant_id, device_id, customer_id, valid)
SELECT tenant_id, device_id, customer_id, tstzrange('-infinity', NULL, '[)') FROM device WHERE customer_id IS NOT NULL;
RESET ROLE;
