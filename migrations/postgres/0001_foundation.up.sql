-- Foundation: tenants, inventory, policy, audit, intake.
-- Every tenant table carries tenant_id first in its key, references its parents together with tenant_id, and has
-- row security forced. Constraint names are part of the contract: the application matches on them.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

CREATE TABLE tenant (
    tenant_id     uuid        NOT NULL DEFAULT uuidv7(),
    slug          text        NOT NULL,
    name          text        NOT NULL,
    settings      jsonb       NOT NULL DEFAULT '{}',
    billing_email text,
    simulated     boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT tenant_slug_key UNIQUE (slug),
    CONSTRAINT tenant_name_key UNIQUE (name),
    CONSTRAINT tenant_slug_check CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    CONSTRAINT tenant_name_check CHECK (length(name) BETWEEN 1 AND 200)
);

-- A person as known to the identity provider. One row per tenant: a person in two tenants is two rows.
CREATE TABLE app_user (
    tenant_id    uuid        NOT NULL REFERENCES tenant,
    user_id      uuid        NOT NULL DEFAULT uuidv7(),
    subject      text        NOT NULL,
    email        text,
    display_name text,
    created_at   timestamptz NOT NULL,
    CONSTRAINT app_user_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT app_user_subject_key UNIQUE (tenant_id, subject)
);

CREATE TABLE customer (
    tenant_id     uuid        NOT NULL REFERENCES tenant,
    customer_id   uuid        NOT NULL DEFAULT uuidv7(),
    slug          text        NOT NULL,
    name          text        NOT NULL,
    first_name    text,
    last_name     text,
    email         text,
    phone         text,
    -- Visibility switches. The default is deny.
    see_devices   boolean     NOT NULL DEFAULT false,
    see_sims      boolean     NOT NULL DEFAULT false,
    see_sessions  boolean     NOT NULL DEFAULT false,
    see_usage     boolean     NOT NULL DEFAULT false,
    see_billing   boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    CONSTRAINT customer_pkey PRIMARY KEY (tenant_id, customer_id),
    CONSTRAINT customer_slug_key UNIQUE (tenant_id, slug),
    CONSTRAINT customer_name_key UNIQUE (tenant_id, name),
    CONSTRAINT customer_slug_check CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    CONSTRAINT customer_name_check CHECK (length(name) BETWEEN 1 AND 200)
);
CREATE INDEX customer_name_idx ON customer (tenant_id, name, customer_id);

CREATE TABLE membership (
    tenant_id   uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    role        text        NOT NULL,
    customer_id uuid,
    created_at  timestamptz NOT NULL,
    CONSTRAINT membership_pkey PRIMARY KEY (tenant_id, user_id, role),
    CONSTRAINT membership_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES app_user ON DELETE CASCADE,
    CONSTRAINT membership_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    CONSTRAINT membership_role_check CHECK (role IN ('tenant_admin', 'support', 'viewer', 'customer_user'))
);

CREATE TABLE network (
    mcc            text NOT NULL,
    mnc            text NOT NULL,
    plmn           text NOT NULL GENERATED ALWAYS AS (mcc || '-' || mnc) STORED,
    name           text NOT NULL,
    operator       text,
    country_code   text,          -- ISO 3166-1 alpha-2; NULL for international networks (901-xx)
    country        text,
    source         text NOT NULL,
    source_version text NOT NULL,
    CONSTRAINT network_pkey PRIMARY KEY (mcc, mnc),
    CONSTRAINT network_plmn_key UNIQUE (plmn),
    CONSTRAINT network_mcc_check CHECK (mcc ~ '^[0-9]{3}$'),
    CONSTRAINT network_mnc_check CHECK (mnc ~ '^[0-9]{2,3}$')
);

CREATE TABLE sim (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    sim_id      uuid        NOT NULL DEFAULT uuidv7(),
    iccid       text        NOT NULL,
    -- ICCID without its check digit: the first 19 digits of a 20-digit ICCID; a 19-digit one as given.
    iccid_key   text        NOT NULL GENERATED ALWAYS AS (left(iccid, 19)) STORED,
    imsi        text,
    msisdn      text,
    state       text        NOT NULL,
    customer_id uuid,
    simulated   boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT sim_pkey PRIMARY KEY (tenant_id, sim_id),
    -- Globally unique, so that one ICCID has one owner on the platform.
    CONSTRAINT sim_iccid_key UNIQUE (iccid),
    CONSTRAINT sim_iccid_check CHECK (iccid ~ '^[0-9]{19,20}$'),
    CONSTRAINT sim_msisdn_key UNIQUE (tenant_id, msisdn),
    CONSTRAINT sim_imsi_key UNIQUE (tenant_id, imsi),
    CONSTRAINT sim_state_check CHECK (state IN ('INACTIVE', 'ACTIVE', 'SUSPENDED', 'TERMINATED')),
    CONSTRAINT sim_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
CREATE INDEX sim_iccid_idx ON sim (tenant_id, iccid, sim_id);
CREATE INDEX sim_iccid_key_idx ON sim (iccid_key);
CREATE INDEX sim_customer_idx ON sim (tenant_id, customer_id, sim_id);
CREATE INDEX sim_state_idx ON sim (tenant_id, state, sim_id);
CREATE INDEX sim_created_idx ON sim (tenant_id, created_at, sim_id);

CREATE TABLE device (
    tenant_id    uuid        NOT NULL REFERENCES tenant,
    device_id    uuid        NOT NULL DEFAULT uuidv7(),
    name         text        NOT NULL,
    kind         text        NOT NULL DEFAULT '',
    state        text        NOT NULL,
    connectivity text[]      NOT NULL DEFAULT '{}',
    customer_id  uuid,
    simulated    boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT device_pkey PRIMARY KEY (tenant_id, device_id),
    CONSTRAINT device_name_key UNIQUE (tenant_id, name),
    CONSTRAINT device_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT device_state_check CHECK (state IN ('REGISTERED', 'ACTIVE', 'DISABLED', 'RETIRED')),
    CONSTRAINT device_connectivity_check CHECK (connectivity <@ ARRAY['CELLULAR', 'WIFI', 'LORA']),
    CONSTRAINT device_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
CREATE INDEX device_customer_idx ON device (tenant_id, customer_id, device_id);
CREATE INDEX device_created_idx ON device (tenant_id, created_at, device_id);

-- Who a SIM belonged to, and when (CUS-05). Half-open UTC ranges; a gap means unassigned.
CREATE TABLE sim_customer (
    tenant_id   uuid      NOT NULL,
    sim_id      uuid      NOT NULL,
    customer_id uuid      NOT NULL,
    valid       tstzrange NOT NULL,
    CONSTRAINT sim_customer_pkey PRIMARY KEY (tenant_id, sim_id, valid WITHOUT OVERLAPS),
    CONSTRAINT sim_customer_sim_fkey FOREIGN KEY (tenant_id, sim_id) REFERENCES sim,
    CONSTRAINT sim_customer_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    CONSTRAINT sim_customer_valid_check CHECK (lower_inc(valid) AND NOT upper_inc(valid))
);
CREATE INDEX sim_customer_customer_idx ON sim_customer (tenant_id, customer_id);
-- The primary key is a GiST index, which costs some 80 pages a look-up; intake resolves thousands of SIMs at a time.
CREATE INDEX sim_customer_sim_idx ON sim_customer (tenant_id, sim_id) INCLUDE (customer_id, valid);

-- Which device a SIM sat in, and when (CRD-03, CRD-05).
CREATE TABLE sim_device (
    tenant_id uuid      NOT NULL,
    sim_id    uuid      NOT NULL,
    device_id uuid      NOT NULL,
    valid     tstzrange NOT NULL,
    CONSTRAINT sim_device_pkey PRIMARY KEY (tenant_id, sim_id, valid WITHOUT OVERLAPS),
    CONSTRAINT sim_device_sim_fkey FOREIGN KEY (tenant_id, sim_id) REFERENCES sim,
    CONSTRAINT sim_device_device_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES device,
    CONSTRAINT sim_device_valid_check CHECK (lower_inc(valid) AND NOT upper_inc(valid))
);
CREATE INDEX sim_device_device_idx ON sim_device (tenant_id, device_id);
CREATE INDEX sim_device_sim_idx ON sim_device (tenant_id, sim_id) INCLUDE (device_id, valid);

-- Labels. A definition without options is free text.
CREATE TABLE label_definition (
    tenant_id  uuid        NOT NULL REFERENCES tenant,
    label_id   uuid        NOT NULL DEFAULT uuidv7(),
    key        text        NOT NULL,
    options    text[],
    created_at timestamptz NOT NULL,
    CONSTRAINT label_definition_pkey PRIMARY KEY (tenant_id, label_id),
    CONSTRAINT label_definition_key_key UNIQUE (tenant_id, key),
    CONSTRAINT label_definition_key_check CHECK (length(key) BETWEEN 1 AND 60)
);

CREATE TABLE sim_label (
    tenant_id uuid NOT NULL,
    sim_id    uuid NOT NULL,
    label_id  uuid NOT NULL,
    value     text NOT NULL,
    CONSTRAINT sim_label_pkey PRIMARY KEY (tenant_id, sim_id, label_id),
    CONSTRAINT sim_label_sim_fkey FOREIGN KEY (tenant_id, sim_id) REFERENCES sim ON DELETE CASCADE,
    CONSTRAINT sim_label_label_fkey FOREIGN KEY (tenant_id, label_id) REFERENCES label_definition,
    CONSTRAINT sim_label_value_check CHECK (length(value) BETWEEN 1 AND 200)
);
CREATE INDEX sim_label_value_idx ON sim_label (tenant_id, label_id, value, sim_id);

CREATE TABLE device_label (
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    label_id  uuid NOT NULL,
    value     text NOT NULL,
    CONSTRAINT device_label_pkey PRIMARY KEY (tenant_id, device_id, label_id),
    CONSTRAINT device_label_device_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES device ON DELETE CASCADE,
    CONSTRAINT device_label_label_fkey FOREIGN KEY (tenant_id, label_id) REFERENCES label_definition,
    CONSTRAINT device_label_value_check CHECK (length(value) BETWEEN 1 AND 200)
);
CREATE INDEX device_label_value_idx ON device_label (tenant_id, label_id, value, device_id);

-- What a subject may see beyond its token: a whole customer, one SIM or one device per row.
CREATE TABLE segment_grant (
    tenant_id   uuid        NOT NULL REFERENCES tenant,
    grant_id    uuid        NOT NULL DEFAULT uuidv7(),
    subject     text        NOT NULL,
    customer_id uuid,
    sim_id      uuid,
    device_id   uuid,
    created_at  timestamptz NOT NULL,
    CONSTRAINT segment_grant_pkey PRIMARY KEY (tenant_id, grant_id),
    CONSTRAINT segment_grant_target_key UNIQUE NULLS NOT DISTINCT (tenant_id, subject, customer_id, sim_id, device_id),
    CONSTRAINT segment_grant_target_check CHECK (num_nonnulls(customer_id, sim_id, device_id) = 1),
    CONSTRAINT segment_grant_subject_check CHECK (length(subject) BETWEEN 1 AND 200),
    CONSTRAINT segment_grant_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES customer ON DELETE CASCADE,
    CONSTRAINT segment_grant_sim_fkey FOREIGN KEY (tenant_id, sim_id) REFERENCES sim ON DELETE CASCADE,
    CONSTRAINT segment_grant_device_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES device ON DELETE CASCADE
);

CREATE TABLE audit (
    tenant_id uuid        NOT NULL REFERENCES tenant,
    audit_id  uuid        NOT NULL DEFAULT uuidv7(),
    at        timestamptz NOT NULL,
    actor     text        NOT NULL,
    role      text        NOT NULL,
    action    text        NOT NULL,
    subject   text        NOT NULL,
    detail    jsonb       NOT NULL DEFAULT '{}',
    CONSTRAINT audit_pkey PRIMARY KEY (tenant_id, audit_id)
);
CREATE INDEX audit_at_idx ON audit (tenant_id, at DESC);

-- Intake journal: a batch and its encoded rows. The payload is dropped when it is out of reach of a power loss and
-- of the de-duplication window.
CREATE TABLE intake_batch (
    tenant_id  uuid        NOT NULL REFERENCES tenant,
    batch_id   uuid        NOT NULL,
    source     text        NOT NULL,
    rows       bigint      NOT NULL,
    payload    bytea,
    created_at timestamptz NOT NULL,
    applied_at timestamptz,
    CONSTRAINT intake_batch_pkey PRIMARY KEY (tenant_id, batch_id)
);
ALTER TABLE intake_batch ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX intake_batch_open_idx ON intake_batch (tenant_id, created_at) WHERE payload IS NOT NULL;

-- Identity of every accepted record: hash128 of (source, record_id), and a versioned hash of its billing fields.
CREATE TABLE intake_identity (
    tenant_id    uuid        NOT NULL,
    identity     uuid        NOT NULL,
    content      uuid        NOT NULL,
    batch_id     uuid        NOT NULL,
    event_at     timestamptz NOT NULL,
    CONSTRAINT intake_identity_pkey PRIMARY KEY (tenant_id, identity)
);

-- received = accepted + duplicate + rejected, per tenant, source, hour of receipt and hour of event. The event hour
-- of a record that has none is the hour of receipt.
CREATE TABLE intake_accounting (
    tenant_id     uuid        NOT NULL REFERENCES tenant,
    source        text        NOT NULL,
    received_hour timestamptz NOT NULL,
    event_hour    timestamptz NOT NULL,
    received      bigint      NOT NULL,
    accepted      bigint      NOT NULL,
    duplicate     bigint      NOT NULL,
    rejected      bigint      NOT NULL,
    bytes_up      numeric(39) NOT NULL,   -- of accepted records
    bytes_down    numeric(39) NOT NULL,
    CONSTRAINT intake_accounting_pkey PRIMARY KEY (tenant_id, source, received_hour, event_hour),
    CONSTRAINT intake_accounting_sum_check CHECK (received = accepted + duplicate + rejected)
);

CREATE TABLE intake_rejection (
    tenant_id    uuid        NOT NULL REFERENCES tenant,
    rejection_id uuid        NOT NULL DEFAULT uuidv7(),
    source       text        NOT NULL,
    identity     uuid,                    -- NULL when the record had no identity
    record_id    text,
    code         text        NOT NULL,
    message      text        NOT NULL,
    raw          text        NOT NULL,    -- as received, cut at 8 KiB
    received_at  timestamptz NOT NULL,
    CONSTRAINT intake_rejection_pkey PRIMARY KEY (tenant_id, rejection_id)
);
CREATE INDEX intake_rejection_identity_idx ON intake_rejection (tenant_id, identity);
CREATE INDEX intake_rejection_received_idx ON intake_rejection (tenant_id, received_at, rejection_id);

-- Row security. simcube_app sees the rows of app.tenant_id; simcube_system sees all, by its own policy.
DO $$
DECLARE t text;
BEGIN
    FOR t IN SELECT unnest(ARRAY['tenant', 'app_user', 'customer', 'membership', 'sim', 'device', 'sim_customer',
        'sim_device', 'label_definition', 'sim_label', 'device_label', 'segment_grant', 'audit', 'intake_batch',
        'intake_identity', 'intake_accounting', 'intake_rejection'])
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON %I TO simcube_app USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t || '_tenant', t);
        EXECUTE format('CREATE POLICY %I ON %I TO simcube_system USING (true) WITH CHECK (true)', t || '_system', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO simcube_app, simcube_system', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON audit FROM simcube_app, simcube_system;
REVOKE INSERT, DELETE ON tenant FROM simcube_app;
GRANT SELECT ON network TO simcube_app, simcube_system;
