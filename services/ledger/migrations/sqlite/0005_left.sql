-- What a sweep leaves for the next of its place, when the last one ended, well or not, and what it could not do.
ALTER TABLE sweeps ADD COLUMN left_over TEXT;
ALTER TABLE sweeps ADD COLUMN ended_at INTEGER;
ALTER TABLE sweeps ADD COLUMN trouble TEXT;

-- By which of its attempts a delivery is asked for again, and when it was first attempted: then the sender's list need
-- not be read back to it each time. Of what was asked for before, that is not known.
ALTER TABLE redeliveries ADD COLUMN attempt INTEGER;
ALTER TABLE redeliveries ADD COLUMN first_at INTEGER;
