-- Sessions that were silent for long are found without reading all. Newest rollups are written down to within an hour, so that most rollups
-- leave this index alone.
CREATE INDEX session_newest_idx ON session (newest_at);

-- Cutting a batch asks whether anything is left in its parts.
CREATE INDEX session_point_part_idx ON session_point (part);
