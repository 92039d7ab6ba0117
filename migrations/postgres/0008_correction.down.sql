DROP TABLE intake_correction;
