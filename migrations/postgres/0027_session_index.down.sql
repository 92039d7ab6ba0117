DROP INDEX session_point_part_idx;
DROP INDEX session_newest_idx;
