-- A number that changes with everything that decides whose a usage record is: a SIM's card, its customers, its devices.
-- Who keeps attributions in memory keys them by it, so that what is kept is never older than what is committed.
-- Triggers, because no writer can forget them.

ALTER TABLE tenant ADD COLUMN fleet_version bigint NOT NULL DEFAULT 0;

CREATE FUNCTION fleet_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenant SET fleet_version = fleet_version + 1 WHERE tenant_id IN (SELECT changed.tenant_id FROM changed);
    RETURN NULL;
END $$;

CREATE TRIGGER sim_added AFTER INSERT ON sim
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
CREATE TRIGGER sim_removed AFTER DELETE ON sim
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();

-- Nearly every update of a SIM is about its state or its present customer, which decide nothing.
CREATE FUNCTION sim_renumbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenant SET fleet_version = fleet_version + 1 WHERE tenant_id = NEW.tenant_id;
    RETURN NULL;
END $$;
CREATE TRIGGER sim_renumbered AFTER UPDATE OF iccid ON sim
    FOR EACH ROW WHEN (OLD.iccid IS DISTINCT FROM NEW.iccid) EXECUTE FUNCTION sim_renumbered();

CREATE TRIGGER sim_customer_added AFTER INSERT ON sim_customer
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
CREATE TRIGGER sim_customer_changed AFTER UPDATE ON sim_customer
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
CREATE TRIGGER sim_customer_removed AFTER DELETE ON sim_customer
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();

CREATE TRIGGER sim_device_added AFTER INSERT ON sim_device
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
CREATE TRIGGER sim_device_changed AFTER UPDATE ON sim_device
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
CREATE TRIGGER sim_device_removed AFTER DELETE ON sim_device
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION fleet_changed();
