-- What proved a webhook: the reference of a secret, or another way's name. What came before is not known by it.
ALTER TABLE events ADD COLUMN proof TEXT;
CREATE INDEX events_by_proof ON events (source, proof, time) WHERE type = 'webhook.received';
