DROP TABLE device_customer;
