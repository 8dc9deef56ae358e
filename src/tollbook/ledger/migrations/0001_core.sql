-- The ledger: entries, identities, totals, and the versions that order them
-- depends:

-- migrate: apply

CREATE TABLE ledger (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    ledger_epoch  uuid NOT NULL DEFAULT gen_random_uuid(),
    partitions    smallint NOT NULL DEFAULT 4 CHECK (partitions BETWEEN 1 AND 1024),
    config_version bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE partition (
    partition     smallint PRIMARY KEY,
    version       bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- One row a ledger transaction: which totals it changed and which records it booked.
CREATE TABLE ledger_batch (
    partition     smallint NOT NULL,
    version       bigint NOT NULL,
    committed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    nonces        uuid[] NOT NULL,
    tenants       text[] NOT NULL,
    days          date[] NOT NULL,
    events        integer NOT NULL,
    duplicates    integer NOT NULL,
    PRIMARY KEY (partition, version)
);

-- Who has been counted. Weekly generations, dropped whole once they are past the dedupe window. The id leads the key:
-- an id without a time is looked for in every generation, one descent each.
CREATE TABLE identity (
    generation    integer NOT NULL,
    entry_id      uuid NOT NULL,
    fingerprint   integer NOT NULL,
    PRIMARY KEY (entry_id, generation)
) PARTITION BY RANGE (generation);

CREATE TABLE entry (
    entry_id       uuid NOT NULL,
    ts             timestamptz NOT NULL,
    cost_nanos     bigint NOT NULL,
    price_id       bigint,
    reported_nanos bigint,
    version        bigint NOT NULL,
    input          integer NOT NULL,
    output         integer NOT NULL,
    cache_read     integer NOT NULL,
    cache_write_5m integer NOT NULL,
    cache_write_1h integer NOT NULL,
    reasoning      integer NOT NULL,
    day            date NOT NULL,
    partition      smallint NOT NULL,
    flags          smallint NOT NULL,
    tenant         text NOT NULL,
    agent          text NOT NULL,
    model          text NOT NULL,
    provider       text,
    source         text NOT NULL,
    run            text,
    event_id       text,
    call_id        text,
    service_tier   text,
    tags           jsonb,
    corrects       uuid
) PARTITION BY RANGE (ts);

CREATE TABLE entry_other PARTITION OF entry DEFAULT;

CREATE INDEX entry_tenant_ts ON entry (tenant, ts DESC, entry_id DESC);
CREATE INDEX entry_ts ON entry (ts DESC, entry_id DESC);

-- The settled total of each tenant's day. cents is a function of cost_nanos, so the two cannot differ.
CREATE TABLE daily_spend (
    tenant_id     text NOT NULL,
    day           date NOT NULL,
    cents         bigint NOT NULL GENERATED ALWAYS AS
                  (cost_nanos / 10000000 + CASE
                      WHEN cost_nanos % 10000000 >= 5000000 THEN 1
                      WHEN cost_nanos % 10000000 < -5000000 THEN -1
                      ELSE 0
                  END) STORED,
    cost_nanos    bigint NOT NULL,
    calls         bigint NOT NULL,
    input         bigint NOT NULL,
    output        bigint NOT NULL,
    unpriced_nanos bigint NOT NULL,
    window_start  timestamptz NOT NULL,
    window_end    timestamptz NOT NULL,
    partition     smallint NOT NULL,
    PRIMARY KEY (tenant_id, day)
) WITH (fillfactor = 70);

CREATE INDEX daily_spend_open ON daily_spend (partition, window_end);

-- For reading: by local day and UTC hour, so that days are exact in zones off the whole hour.
CREATE TABLE rollup_hour (
    tenant        text NOT NULL,
    day           date NOT NULL,
    hour          timestamptz NOT NULL,
    agent         text NOT NULL,
    model         text NOT NULL,
    calls         bigint NOT NULL,
    cost_nanos    bigint NOT NULL,
    unpriced_nanos bigint NOT NULL,
    input         bigint NOT NULL,
    output        bigint NOT NULL,
    cache_read    bigint NOT NULL,
    cache_write   bigint NOT NULL,
    reasoning     bigint NOT NULL,
    PRIMARY KEY (tenant, day, hour, agent, model)
) WITH (fillfactor = 70);

CREATE TABLE run_total (
    tenant        text NOT NULL,
    run           text NOT NULL,
    agent         text NOT NULL,
    model         text NOT NULL,
    calls         bigint NOT NULL,
    cost_nanos    bigint NOT NULL,
    unpriced_nanos bigint NOT NULL,
    input         bigint NOT NULL,
    output        bigint NOT NULL,
    cache_read    bigint NOT NULL,
    cache_write   bigint NOT NULL,
    reasoning     bigint NOT NULL,
    first_ts      timestamptz NOT NULL,
    last_ts       timestamptz NOT NULL,
    PRIMARY KEY (tenant, run, agent, model)
) WITH (fillfactor = 70);

-- Records that receivers append while Valkey is away.
CREATE TABLE inbox (
    inbox_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition     smallint NOT NULL,
    nonce         uuid NOT NULL,
    events        integer NOT NULL,
    row_bytes     bytea NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX inbox_partition ON inbox (partition, inbox_id);

-- What could not be booked (poison), and identities that came again with another content (conflict).
CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition     smallint NOT NULL,
    version       bigint NOT NULL,
    code          text NOT NULL,
    detail        text NOT NULL,
    row_bytes     bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE price (
    price_id      bigint PRIMARY KEY,
    provider      text NOT NULL,
    model         text NOT NULL,
    terms         jsonb NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE price_book (
    digest        text PRIMARY KEY,
    version       text NOT NULL,
    cards         integer NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Partitions of entry by month and of identity by week, from the dedupe window's start until well ahead of `at`.
CREATE FUNCTION ledger_make_room(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', (at AT TIME ZONE 'UTC') - interval '70 days')::date;
    week integer := floor(extract(epoch FROM at - interval '77 days') / 604800)::integer;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7011001);
    WHILE month <= (at AT TIME ZONE 'UTC')::date + 62 LOOP
        name := 'entry_' || to_char(month, 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF entry FOR VALUES FROM (%L) TO (%L)', name,
                month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    WHILE week <= floor(extract(epoch FROM at) / 604800)::integer + 4 LOOP
        name := 'identity_' || week;
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF identity FOR VALUES FROM (%s) TO (%s)', name, week, week + 1);
        END IF;
        week := week + 1;
    END LOOP;
END
$$;

-- Drops identity generations that ended more than `keep` ago and returns how many.
CREATE FUNCTION ledger_forget_identities(at timestamptz, keep interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    oldest integer := floor(extract(epoch FROM at - keep) / 604800)::integer;
    dropped integer := 0;
    old record;
BEGIN
    PERFORM pg_advisory_xact_lock(7011001);
    FOR old IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'identity'::regclass AND substr(c.relname, 10)::integer < oldest
    LOOP
        EXECUTE format('DROP TABLE %I', old.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

INSERT INTO ledger DEFAULT VALUES;

INSERT INTO partition (partition) SELECT generate_series(0, (SELECT partitions FROM ledger) - 1);

SELECT ledger_make_room(now());

-- migrate: rollback

DROP FUNCTION ledger_forget_identities(timestamptz, interval);
DROP FUNCTION ledger_make_room(timestamptz);
DROP TABLE price_book;
DROP TABLE price;
DROP TABLE dead_letter;
DROP TABLE inbox;
DROP TABLE run_total;
DROP TABLE rollup_hour;
DROP TABLE daily_spend;
DROP TABLE entry;
DROP TABLE identity;
DROP TABLE ledger_batch;
DROP TABLE partition;
DROP TABLE ledger;
