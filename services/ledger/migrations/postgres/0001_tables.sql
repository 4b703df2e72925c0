-- Every event, readable or not. Texts compare by bytes, so that both databases sort alike.
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    replay bigint NOT NULL,
    type text COLLATE "C",
    app text COLLATE "C",
    subject text COLLATE "C",
    source text COLLATE "C",
    correlation uuid NOT NULL,
    cause uuid,
    time timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    attributes json NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL,
    UNIQUE (id, replay)
);
CREATE INDEX events_by_correlation ON events (correlation, seq);
CREATE INDEX events_by_subject ON events (type, app, subject, seq);
CREATE INDEX events_by_app ON events (app, seq);
CREATE INDEX events_by_time ON events (time);

-- Who runs what. `takeover` says whether the present owner took it from one that vanished.
CREATE TABLE claims (
    worker text COLLATE "C" NOT NULL,
    event uuid NOT NULL,
    replay bigint NOT NULL,
    owner uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'parked')),
    lease_until timestamptz NOT NULL,
    attempts bigint NOT NULL,
    takeover boolean NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    error text,
    outcome_count bigint NOT NULL DEFAULT 0,
    outcomes bytea,
    PRIMARY KEY (event, worker, replay)
);

-- `reason_folded` is the reason in lower case, for searching.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    worker text COLLATE "C",
    reason text NOT NULL,
    reason_folded text NOT NULL,
    attempts bigint NOT NULL,
    parked_at timestamptz NOT NULL,
    replayed_at timestamptz,
    replayed_by text,
    attributes json NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX dead_letters_by_time ON dead_letters (parked_at, id);

CREATE TABLE environments (
    app text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    state json NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (app, environment)
);

CREATE TABLE quarantine (
    app text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    event uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (app, digest)
);
