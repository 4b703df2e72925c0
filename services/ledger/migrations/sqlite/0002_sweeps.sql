-- How far a place was swept for what never came, and who sweeps it now: one at a time, by the database's clock.
CREATE TABLE sweeps (
    target TEXT NOT NULL PRIMARY KEY,
    owner BLOB NOT NULL,
    lease_until INTEGER NOT NULL,
    watermark INTEGER,
    swept_at INTEGER
) STRICT;

-- What a sender was asked to send again.
CREATE TABLE redeliveries (
    target TEXT NOT NULL,
    delivery TEXT NOT NULL,
    times INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (target, delivery)
) STRICT;

-- What a followed tag stood for when it was last looked at, and how often that has changed.
CREATE TABLE seen_tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    changes INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (image, tag)
) STRICT;
