-- The operator names networks. What was set stays whatever is loaded later: a row of the operator's is replaced by another one of the
-- operator's only.
GRANT INSERT, UPDATE ON network TO simcube_system;

CREATE FUNCTION network_stays_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.source = 'operator' AND NEW.source <> 'operator' THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stays_set BEFORE UPDATE ON network FOR EACH ROW EXECUTE FUNCTION network_stays_set();
