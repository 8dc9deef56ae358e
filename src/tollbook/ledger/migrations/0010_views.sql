-- Sessions of browsers
-- depends: 0009_corrections 0008_sources 0007_spans 0006_prices

-- migrate: apply

-- token_hash: SHA-256 of what the browser keeps in its cookie.
CREATE TABLE web_session (
    token_hash    bytea PRIMARY KEY,
    key_id        text NOT NULL REFERENCES api_key,
    began_at      timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL
);

CREATE INDEX web_session_ends ON web_session (ends_at);

-- migrate: rollback

DROP TABLE web_session;
