-- The newest of a type, and of an app's type, are read in their order: without these all of them were sorted for a few,
-- or, of a rare type, the whole history was looked through.
CREATE INDEX events_by_type ON events (type, seq);
CREATE INDEX events_by_app_and_type ON events (app, type, seq);
