-- What a run left behind for the next of its kind, beside its outcomes and in one with them: the state of an app's chain,
-- one version after the other, so that of two runs that began from the same one only one ends.
ALTER TABLE claims ADD COLUMN kept_for text COLLATE "C";
ALTER TABLE claims ADD COLUMN kept_version bigint;
ALTER TABLE claims ADD COLUMN kept text;
CREATE UNIQUE INDEX claims_kept ON claims (kept_for, kept_version) WHERE kept_for IS NOT NULL;

-- That state says what these two did.
DROP TABLE environments;
DROP TABLE quarantine;
