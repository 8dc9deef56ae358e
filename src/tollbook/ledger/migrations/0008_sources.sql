-- Places of imported files, sources that are fetched, and roles that may read the invoice alone
-- depends: 0004_alerts

-- migrate: apply

-- How far a file is imported: bytes (rows of a Parquet file), and the digest of what lies before there.
CREATE TABLE import_place (
    name          text PRIMARY KEY,
    done          bigint NOT NULL,
    digest        bytea NOT NULL,
    updated_at    timestamptz NOT NULL
) WITH (fillfactor = 70);

-- A webhook inbox elsewhere. token and bearer are secrets that have to be sent as they are; nothing shows them.
-- lease_until: which drain polls it; only for efficiency, as requests are counted once all the same.
CREATE TABLE source (
    source_id     text PRIMARY KEY,
    kind          text NOT NULL,
    name          text NOT NULL UNIQUE,
    base          text NOT NULL,
    token         text NOT NULL,
    bearer        text,
    tenant        text,
    stored_max    integer NOT NULL,
    created_at    timestamptz NOT NULL,
    lease_by      text,
    lease_until   timestamptz,
    polled_at     timestamptz,
    state         text NOT NULL DEFAULT 'new',
    detail        text NOT NULL DEFAULT '',
    polls         bigint NOT NULL DEFAULT 0,
    requests      bigint NOT NULL DEFAULT 0,
    events        bigint NOT NULL DEFAULT 0,
    refused       bigint NOT NULL DEFAULT 0,
    gaps          bigint NOT NULL DEFAULT 0,
    gap_at        timestamptz
) WITH (fillfactor = 50);

-- Stored requests that were taken, or refused as a whole with their body kept for whoever looks.
CREATE TABLE source_request (
    source_id     text NOT NULL REFERENCES source ON DELETE CASCADE,
    request_id    text NOT NULL,
    seen_at       timestamptz NOT NULL,
    refused       text,
    body          text,
    PRIMARY KEY (source_id, request_id)
);

CREATE INDEX source_request_seen ON source_request (source_id, seen_at);

-- A role that may read daily_spend and nothing else. Utility statements take no parameters, hence format.
CREATE FUNCTION ledger_make_reader(name text, secret text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT 2', name, secret);
    EXECUTE format('GRANT SELECT ON daily_spend TO %I', name);
END
$$;

-- migrate: rollback

DROP FUNCTION ledger_make_reader(text, text);
DROP TABLE source_request;
DROP TABLE source;
DROP TABLE import_place;
