-- Instants are microseconds since 1970 in UTC; UUIDs are their 16 bytes.

-- Every event, readable or not.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    replay INTEGER NOT NULL,
    type TEXT,
    app TEXT,
    subject TEXT,
    source TEXT,
    correlation BLOB NOT NULL,
    cause BLOB,
    time INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (id, replay)
) STRICT;
CREATE INDEX events_by_correlation ON events (correlation, seq);
CREATE INDEX events_by_subject ON events (type, app, subject, seq);
CREATE INDEX events_by_app ON events (app, seq);
CREATE INDEX events_by_time ON events (time);

-- Who runs what. `takeover` says whether the present owner took it from one that vanished.
CREATE TABLE claims (
    worker TEXT NOT NULL,
    event BLOB NOT NULL,
    replay INTEGER NOT NULL,
    owner BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'parked')),
    lease_until INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    takeover INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    error TEXT,
    outcome_count INTEGER NOT NULL DEFAULT 0,
    outcomes BLOB,
    PRIMARY KEY (event, worker, replay)
) STRICT;

-- `reason_folded` is the reason in lower case, for searching.
CREATE TABLE dead_letters (
    id BLOB NOT NULL PRIMARY KEY,
    worker TEXT,
    reason TEXT NOT NULL,
    reason_folded TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    replayed_at INTEGER,
    replayed_by TEXT,
    attributes TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_time ON dead_letters (parked_at, id);

CREATE TABLE environments (
    app TEXT NOT NULL,
    environment TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (app, environment)
) STRICT;

CREATE TABLE quarantine (
    app TEXT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    event BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, digest)
) STRICT;
