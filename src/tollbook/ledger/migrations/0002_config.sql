-- Tenants, budgets, keys and webhook tokens, with who changed a budget and when
-- depends: 0001_core

-- migrate: apply

-- A tenant has a row only where something about it is not the default.
CREATE TABLE tenant (
    tenant        text PRIMARY KEY,
    partition     smallint,
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenant_zone (
    tenant        text NOT NULL,
    first_day     date NOT NULL,
    zone          text NOT NULL,
    PRIMARY KEY (tenant, first_day)
);

-- The daily limit: tenant '' is everyone without a row of their own. version orders the copies in Valkey.
CREATE TABLE budget (
    tenant        text PRIMARY KEY,
    limit_nanos   bigint NOT NULL CHECK (limit_nanos >= 0),
    version       bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    updated_by    text NOT NULL
);

CREATE TABLE budget_change (
    version       bigint PRIMARY KEY,
    tenant        text NOT NULL,
    limit_nanos   bigint,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    changed_by    text NOT NULL
);

INSERT INTO budget (tenant, limit_nanos, version, updated_by) VALUES ('', 50000000000, 1, 'default');

INSERT INTO budget_change (version, tenant, limit_nanos, changed_by) VALUES (1, '', 50000000000, 'default');

CREATE TABLE api_key (
    key_id        text PRIMARY KEY,
    secret_hash   bytea NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'ingest', 'read')),
    tenant        text,
    note          text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);

CREATE TABLE webhook_token (
    token_id      text PRIMARY KEY,
    token_hash    bytea NOT NULL UNIQUE,
    source        text NOT NULL,
    tenant        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);

-- migrate: rollback

DROP TABLE webhook_token;
DROP TABLE api_key;
DROP TABLE budget_change;
DROP TABLE budget;
DROP TABLE tenant_zone;
DROP TABLE tenant;
