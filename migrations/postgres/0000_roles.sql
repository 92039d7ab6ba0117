-- The two roles that the program acts as. Roles belong to the cluster, not to the database, and two databases of one
-- cluster may be migrated at the same moment: who comes second finds the work done. They are never dropped, since other
-- databases may use them.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['simcube_app', 'simcube_system']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, role_name, 'SET') THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER WITH SET TRUE, INHERIT FALSE', role_name);
            EXCEPTION WHEN unique_violation OR internal_error THEN
                NULL; -- "tuple concurrently updated": the other database granted it
            END;
        END IF;
    END LOOP;
END $$;
