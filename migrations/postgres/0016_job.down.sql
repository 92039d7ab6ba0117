DROP TABLE link_key;
DROP TABLE job;
