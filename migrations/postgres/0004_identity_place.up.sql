-- Identities are hashes: each would go to another page of its index, which a large tenant's outgrows memory with. A place
-- comes before them in the key, made of the record's own id, so that records that follow each other lie together.
--
-- The place of an identity that is there cannot be told from its hash. No release wrote any.

DO $$
BEGIN
    IF EXISTS (SELECT FROM intake_identity) THEN
        RAISE EXCEPTION 'this database has usage that an unreleased version took in: start with an empty one';
    END IF;
END $$;

ALTER TABLE intake_identity
    ADD COLUMN place bigint NOT NULL,
    DROP CONSTRAINT intake_identity_pkey,
    ADD CONSTRAINT intake_identity_pkey PRIMARY KEY (tenant_id, place, identity);
