DROP TABLE topic_quarantine, topic_account, topic_position;
