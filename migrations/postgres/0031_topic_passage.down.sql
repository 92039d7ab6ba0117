DROP SEQUENCE topic_passage_place_seq;
DROP TABLE topic_passage;
