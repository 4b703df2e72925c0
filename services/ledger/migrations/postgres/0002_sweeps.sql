-- How far a place was swept for what never came, and who sweeps it now: one at a time, by the database's clock.
CREATE TABLE sweeps (
    target text COLLATE "C" PRIMARY KEY,
    owner uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    watermark timestamptz,
    swept_at timestamptz
);

-- What a sender was asked to send again.
CREATE TABLE redeliveries (
    target text COLLATE "C" NOT NULL,
    delivery text COLLATE "C" NOT NULL,
    times bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (target, delivery)
);

-- What a followed tag stood for when it was last looked at, and how often that has changed.
CREATE TABLE seen_tags (
    image text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    changes bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (image, tag)
);
