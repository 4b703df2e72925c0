-- Until when a sweep that is under way waits, as a sender's limits have it.
ALTER TABLE sweeps ADD COLUMN waits_until timestamptz;
