-- Budgets of any scope and window, the totals of their meters, the holds that entries name, and keys made by keys
-- depends: 0002_config

-- migrate: apply

ALTER TABLE budget RENAME TO daily_limit;

ALTER INDEX budget_pkey RENAME TO daily_limit_pkey;

ALTER TABLE budget_change RENAME TO daily_limit_change;

ALTER INDEX budget_change_pkey RENAME TO daily_limit_change_pkey;

-- tenant '' is everyone: each tenant without an own budget of the same meter. Two budgets of one owner never name the same
-- meter, and the tenant's day in dollars, whose total is daily_spend, is the budget `daily` and no other.
CREATE TABLE budget (
    tenant        text NOT NULL,
    id            text NOT NULL,
    scope         text NOT NULL CHECK (scope IN ('tenant', 'agent', 'run', 'instance', 'model', 'tag')),
    match         text NOT NULL,
    window_kind   text NOT NULL CHECK (window_kind IN ('minute', 'hour', 'day', 'week', 'month', 'run')),
    unit          text NOT NULL CHECK (unit IN ('usd', 'tokens', 'calls')),
    limit_amount  bigint NOT NULL CHECK (limit_amount >= 0),
    thresholds    smallint[] NOT NULL,
    action        text NOT NULL CHECK (action IN ('notify', 'throttle', 'block', 'degrade')),
    degrade_to    text,
    mode          text CHECK (mode IN ('strict', 'expected')),
    fail          text CHECK (fail IN ('open', 'closed')),
    expires_at    timestamptz,
    version       bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    updated_by    text NOT NULL,
    PRIMARY KEY (tenant, id),
    CONSTRAINT budget_meter UNIQUE (tenant, scope, match, window_kind, unit),
    CHECK (scope <> 'tenant' OR match = '*'),
    CHECK ((id = 'daily') = (scope = 'tenant' AND window_kind = 'day' AND unit = 'usd'))
);

CREATE INDEX budget_scope ON budget (scope) WHERE id <> 'daily';

CREATE INDEX budget_of_run ON budget (window_kind) WHERE window_kind = 'run';

CREATE INDEX budget_ends ON budget (expires_at) WHERE expires_at IS NOT NULL;

-- Every change, whole: terms are the budget as JSON, null for a removal.
CREATE TABLE budget_change (
    version       bigint NOT NULL,
    tenant        text NOT NULL,
    id            text NOT NULL,
    terms         jsonb,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    changed_by    text NOT NULL,
    PRIMARY KEY (version, tenant, id)
);

CREATE INDEX budget_change_of ON budget_change (tenant, id, version);

INSERT INTO budget (tenant, id, scope, match, window_kind, unit, limit_amount, thresholds, action, version, updated_at, updated_by)
SELECT tenant, 'daily', 'tenant', '*', 'day', 'usd', limit_nanos, '{50,80,100}', 'throttle', version, updated_at, updated_by
FROM daily_limit;

INSERT INTO budget_change (version, tenant, id, terms, changed_at, changed_by)
SELECT version, tenant, 'daily',
    CASE WHEN limit_nanos IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
        'id', 'daily', 'scope', 'tenant', 'window', 'day', 'unit', 'usd', 'limit', limit_nanos,
        'tenant', nullif(tenant, '')))
    END,
    changed_at, changed_by
FROM daily_limit_change;

DROP TABLE daily_limit;

DROP TABLE daily_limit_change;

-- The settled total of a meter that a budget names, other than the tenant's day in dollars. No column that an update
-- changes is in an index. until_ms is when the window closes or a little later, 0 for a run, which never does.
CREATE TABLE meter_total (
    tenant        text NOT NULL,
    meter         text NOT NULL,
    total         bigint NOT NULL,
    until_ms      bigint NOT NULL,
    partition     smallint NOT NULL,
    touched_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, meter)
) WITH (fillfactor = 70);

CREATE INDEX meter_total_open ON meter_total (partition, until_ms);

-- The scopes for which the partition's transactions have meters to add to; empty: they have nothing to do. backfilled is the
-- version of the newest transaction that counted meters anew: the counters must have reached it before budgets are trusted.
ALTER TABLE partition
    ADD COLUMN meter_scopes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN backfilled bigint NOT NULL DEFAULT 0;

ALTER TABLE ledger_batch
    ADD COLUMN meter_tenants text[] NOT NULL DEFAULT '{}',
    ADD COLUMN meters text[] NOT NULL DEFAULT '{}',
    ADD COLUMN hold_tenants text[] NOT NULL DEFAULT '{}',
    ADD COLUMN holds text[] NOT NULL DEFAULT '{}';

ALTER TABLE entry ADD COLUMN hold text;

-- A key made by another one: bound to a subtree of agents, perhaps of one run.
ALTER TABLE api_key
    ADD COLUMN parent text REFERENCES api_key,
    ADD COLUMN agent text,
    ADD COLUMN run text,
    ADD COLUMN expires_at timestamptz;

CREATE INDEX api_key_parent ON api_key (parent) WHERE parent IS NOT NULL;

-- The four functions below name meters as domain/meter.py does; a test holds both against each other.

-- The instant that names a call's windows: its hold's, a UUIDv7 whose time lies at most a minute after ts and at most 35
-- days before, else ts itself.
CREATE FUNCTION ledger_counted_at(ts timestamptz, hold text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN hold IS NULL THEN ts
        WHEN to_timestamp(('x' || substr(hold, 1, 8) || substr(hold, 10, 4))::bit(48)::bigint / 1000.0)
            BETWEEN ts - interval '840 hours' AND ts + interval '1 minute'
        THEN to_timestamp(('x' || substr(hold, 1, 8) || substr(hold, 10, 4))::bit(48)::bigint / 1000.0)
        ELSE ts
    END
$$;

-- The name of the window of a kind that holds the instant `at` of the day `day`, which began at `began`.
CREATE FUNCTION ledger_window(kind text, at timestamptz, day date, began timestamptz, run text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE kind
        WHEN 'minute' THEN 'minute:' || floor(extract(epoch FROM at) / 60)
        WHEN 'hour' THEN 'hour:' || to_char(day, 'YYYY-MM-DD') || '+' || floor(extract(epoch FROM at - began) / 3600)
        WHEN 'day' THEN 'day:' || to_char(day, 'YYYY-MM-DD')
        WHEN 'week' THEN 'week:' || to_char(date_trunc('week', day::timestamp), 'YYYY-MM-DD')
        WHEN 'month' THEN 'month:' || to_char(day, 'YYYY-MM')
        WHEN 'run' THEN 'run:' || run
    END
$$;

-- When that window closes, in milliseconds since 1970 UTC; 0 for a run. Which zone ends a week or a month is not known
-- here: 26 hours after midnight UTC it is over everywhere.
CREATE FUNCTION ledger_window_until(kind text, at timestamptz, day date, began timestamptz, ends timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE kind
        WHEN 'minute' THEN (floor(extract(epoch FROM at) / 60)::bigint + 1) * 60000
        WHEN 'hour' THEN least(
            extract(epoch FROM began) + 3600 * (floor(extract(epoch FROM at - began) / 3600) + 1),
            extract(epoch FROM ends)) * 1000
        WHEN 'day' THEN extract(epoch FROM ends) * 1000
        WHEN 'week' THEN extract(epoch FROM date_trunc('week', day::timestamp) + interval '7 days 26 hours') * 1000
        WHEN 'month' THEN extract(epoch FROM date_trunc('month', day::timestamp) + interval '1 month 26 hours') * 1000
        WHEN 'run' THEN 0
    END::bigint
$$;

-- Every scope that a call counts in. `each` is what a budget for each value of the scope has as its match.
CREATE FUNCTION ledger_scopes(agent text, roles text, run text, model text, tags jsonb)
RETURNS TABLE (scope text, value text, each text) LANGUAGE sql STABLE AS $$
    SELECT 'tenant'::text, ''::text, '*'::text
    UNION ALL
    SELECT 'agent', array_to_string((string_to_array(roles, '/'))[:n], '/'), '*'
    FROM generate_series(1, cardinality(string_to_array(roles, '/'))) n
    UNION ALL
    SELECT 'run', run, '*' WHERE run IS NOT NULL
    UNION ALL
    SELECT 'instance', run || '/' || array_to_string((string_to_array(agent, '/'))[:n], '/'), '*'
    FROM generate_series(1, cardinality(string_to_array(agent, '/'))) n
    WHERE run IS NOT NULL
    UNION ALL
    SELECT 'model', model, '*'
    UNION ALL
    SELECT 'tag', t.key || '=' || t.value, split_part(t.key || '=' || t.value, '=', 1) || '=*'
    FROM jsonb_each_text(tags) t
$$;

-- migrate: rollback

DROP FUNCTION ledger_scopes(text, text, text, text, jsonb);
DROP FUNCTION ledger_window_until(text, timestamptz, date, timestamptz, timestamptz);
DROP FUNCTION ledger_window(text, timestamptz, date, timestamptz, text);
DROP FUNCTION ledger_counted_at(timestamptz, text);
DROP INDEX api_key_parent;
ALTER TABLE api_key DROP COLUMN parent, DROP COLUMN agent, DROP COLUMN run, DROP COLUMN expires_at;
ALTER TABLE entry DROP COLUMN hold;
ALTER TABLE ledger_batch
    DROP COLUMN meter_tenants, DROP COLUMN meters, DROP COLUMN hold_tenants, DROP COLUMN holds;
ALTER TABLE partition DROP COLUMN meter_scopes, DROP COLUMN backfilled;
DROP TABLE meter_total;
ALTER TABLE budget RENAME TO general_budget;
ALTER INDEX budget_pkey RENAME TO general_budget_pkey;
ALTER TABLE budget_change RENAME TO general_budget_change;
ALTER INDEX budget_change_pkey RENAME TO general_budget_change_pkey;
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
INSERT INTO budget (tenant, limit_nanos, version, updated_at, updated_by)
SELECT tenant, limit_amount, version, updated_at, updated_by FROM general_budget WHERE id = 'daily';
INSERT INTO budget_change (version, tenant, limit_nanos, changed_at, changed_by)
SELECT DISTINCT ON (version) version, tenant, (terms ->> 'limit')::bigint, changed_at, changed_by
FROM general_budget_change WHERE id = 'daily' ORDER BY version, tenant;
DROP TABLE general_budget;
DROP TABLE general_budget_change;
