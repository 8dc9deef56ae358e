-- Closed periods, the statements kept of them, and which transaction touched a day last
-- depends: 0009_corrections

-- migrate: apply

-- The version of the last transaction that booked into the day, of the partition beside it: which days a statement has to
-- look at for what came late. What was booked before this migration is older than any close.
ALTER TABLE daily_spend ADD COLUMN version bigint NOT NULL DEFAULT 0;

-- tenant '' is everyone. versions: of partition 0, 1, ... when the period was closed. It closes every earlier period that
-- was open, too. close_id is the order in which they were closed.
CREATE TABLE period_close (
    close_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period        date NOT NULL CHECK (extract(day FROM period) = 1),
    tenant        text NOT NULL,
    versions      bigint[] NOT NULL,
    closed_at     timestamptz NOT NULL,
    closed_by     text NOT NULL,
    UNIQUE (tenant, period)
);

-- lines: JSON of the statement's lines as they were summed; digest: their SHA-256.
CREATE TABLE closed_statement (
    tenant        text NOT NULL,
    period        date NOT NULL,
    close_id      bigint NOT NULL REFERENCES period_close,
    zone          text NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    entries       bigint NOT NULL,
    calls         bigint NOT NULL,
    cost_nanos    bigint NOT NULL,
    first_ts      timestamptz,
    last_ts       timestamptz,
    lines         bytea NOT NULL,
    digest        bytea NOT NULL,
    PRIMARY KEY (tenant, period)
);

CREATE INDEX closed_statement_close ON closed_statement (close_id);

-- migrate: rollback

DROP TABLE closed_statement;
DROP TABLE period_close;
ALTER TABLE daily_spend DROP COLUMN version;
