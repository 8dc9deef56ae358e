-- Alerts that rang, the hooks that hear them, each delivery's way, and how far each partition has been looked at
-- depends: 0003_budgets

-- migrate: apply

-- What a partition's raiser has looked at; nulls: nothing yet.
CREATE TABLE alert_cursor (
    partition     smallint PRIMARY KEY,
    ledger_epoch  uuid,
    version       bigint,
    config_version bigint
) WITH (fillfactor = 50);

-- crossing: 128-bit hash of what was crossed. An alert is kept once for each crossing and mark.
CREATE TABLE alert (
    alert_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind          text NOT NULL,
    tenant        text NOT NULL,
    crossing      uuid NOT NULL,
    mark          bigint NOT NULL,
    text          text NOT NULL,
    facts         jsonb NOT NULL,
    raised_at     timestamptz NOT NULL,
    CONSTRAINT alert_once UNIQUE (crossing, mark)
);

CREATE INDEX alert_newest ON alert (raised_at DESC, alert_id DESC);

CREATE INDEX alert_newest_of ON alert (tenant, raised_at DESC, alert_id DESC);

-- Whether a meter refuses by what is settled, and how often that has changed. A meter that never did has no row.
CREATE TABLE alert_throttle (
    tenant        text NOT NULL,
    meter         text NOT NULL,
    engaged       boolean NOT NULL,
    changes       integer NOT NULL,
    budget_id     text NOT NULL,
    limit_amount  bigint NOT NULL,
    ends_at       timestamptz,
    partition     smallint NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, meter)
);

CREATE INDEX alert_throttle_engaged ON alert_throttle (partition, ends_at) WHERE engaged;

-- tenant '' hears of all tenants; no kinds: every kind. disabled says why it hears nothing any more.
CREATE TABLE alert_hook (
    hook_id       text PRIMARY KEY,
    tenant        text NOT NULL,
    url           text NOT NULL,
    secret        text NOT NULL,
    kinds         text[] NOT NULL,
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    disabled      text
);

CREATE TABLE alert_delivery (
    alert_id      uuid NOT NULL REFERENCES alert ON DELETE CASCADE,
    hook_id       text NOT NULL REFERENCES alert_hook ON DELETE CASCADE,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts      integer NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL,
    status        integer,
    detail        text NOT NULL DEFAULT '',
    marked_at     timestamptz,
    PRIMARY KEY (alert_id, hook_id)
);

CREATE INDEX alert_delivery_due ON alert_delivery (hook_id, next_at) WHERE state = 'pending';

-- migrate: rollback

DROP TABLE alert_delivery;
DROP TABLE alert_hook;
DROP TABLE alert_throttle;
DROP TABLE alert;
DROP TABLE alert_cursor;
