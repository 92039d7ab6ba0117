DROP TRIGGER stays_set ON network;
DROP FUNCTION network_stays_set;
REVOKE INSERT, UPDATE ON network FROM simcube_system;
