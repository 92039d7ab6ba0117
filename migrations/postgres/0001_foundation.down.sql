DROP TABLE intake_rejection, intake_accounting, intake_identity, intake_batch, audit, segment_grant, device_label,
    sim_label, label_definition, sim_device, sim_customer, device, sim, network, membership, customer, app_user, tenant;
DROP FUNCTION current_tenant();
