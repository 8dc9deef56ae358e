-- Sums by day and by month for people who look, followed behind the drain; sessions of browsers
-- depends: 0009_corrections 0008_sources 0007_spans 0006_prices

-- migrate: apply

-- Entries in the order in which they were booked: what a follower has not added up yet is the end of each partition.
CREATE INDEX entry_booked ON entry (partition, version);

-- Up to which version of a partition entries are in the three tables below. Entries behind it are added by whoever reads, so
-- that sums are exact at every instant, however far behind the follower is.
CREATE TABLE rollup_cursor (
    partition     smallint PRIMARY KEY,
    version       bigint NOT NULL
) WITH (fillfactor = 50);

-- By local day, agent path (roles, without instances) and model.
CREATE TABLE rollup_day (
    day           date NOT NULL,
    tenant        text NOT NULL,
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
    PRIMARY KEY (day, tenant, agent, model)
) WITH (fillfactor = 70);

-- The same by the month that holds the local day, named by its first.
CREATE TABLE rollup_month (
    month         date NOT NULL,
    tenant        text NOT NULL,
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
    PRIMARY KEY (month, tenant, agent, model)
) WITH (fillfactor = 70);

-- Everyone's, by local day and UTC hour. The partition is in the key so that no two followers meet in a row.
CREATE TABLE rollup_fleet_hour (
    day           date NOT NULL,
    hour          timestamptz NOT NULL,
    partition     smallint NOT NULL,
    calls         bigint NOT NULL,
    cost_nanos    bigint NOT NULL,
    unpriced_nanos bigint NOT NULL,
    input         bigint NOT NULL,
    output        bigint NOT NULL,
    cache_read    bigint NOT NULL,
    cache_write   bigint NOT NULL,
    reasoning     bigint NOT NULL,
    PRIMARY KEY (day, hour, partition)
) WITH (fillfactor = 70);

-- What is booked and not in the rollups yet, summed; tenant null: everyone's. Its own settings keep the planner on the index:
-- it cannot know that behind each cursor there are few entries, however many the table holds.
CREATE FUNCTION ledger_fresh(first_day date, last_day date, of_tenant text)
RETURNS TABLE (
    day date, tenant text, hour timestamptz, agent text, model text, calls bigint, cost_nanos bigint,
    unpriced_nanos bigint, input bigint, output bigint, cache_read bigint, cache_write bigint, reasoning bigint
) LANGUAGE sql STABLE ROWS 1000
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    SELECT
        e.day, e.tenant, date_trunc('hour', e.ts, 'UTC') AS hour,
        CASE WHEN strpos(e.agent, '#') > 0 THEN regexp_replace(e.agent, '#[^/]*', '', 'g') ELSE e.agent END AS roles,
        e.model, sum(e.calls), sum(e.cost_nanos)::bigint,
        coalesce(sum(e.cost_nanos) FILTER (WHERE e.price_id IS NULL), 0)::bigint, sum(e.input), sum(e.output),
        sum(e.cache_read), sum(e.cache_write_5m::bigint + e.cache_write_1h), sum(e.reasoning)
    FROM rollup_cursor c
    JOIN entry e ON e.partition = c.partition AND e.version > c.version
    WHERE e.day BETWEEN $1 AND $2 AND ($3 IS NULL OR e.tenant = $3)
    GROUP BY e.day, e.tenant, hour, roles, e.model
$$;

-- Adds to the rollups what a partition has booked behind its cursor, so many versions at most, and moves the cursor, in one
-- statement: what is added and how far is read under one snapshot. Returns the versions passed; null where another follower
-- is at it or nothing is there to add. Lock order: cursor, then each table by key; no two partitions share a row but those of a
-- tenant that was moved.
CREATE FUNCTION ledger_fold(of_partition smallint, versions_max bigint) RETURNS bigint LANGUAGE sql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    WITH due AS MATERIALIZED (
        SELECT c.partition, c.version AS done, least(p.version, c.version + $2) AS upto
        FROM rollup_cursor c
        JOIN partition p ON p.partition = c.partition
        WHERE c.partition = $1
        FOR UPDATE OF c SKIP LOCKED
    ),
    fresh AS MATERIALIZED (
        SELECT
            e.day, e.tenant, date_trunc('hour', e.ts, 'UTC') AS hour,
            CASE WHEN strpos(e.agent, '#') > 0 THEN regexp_replace(e.agent, '#[^/]*', '', 'g') ELSE e.agent END AS agent,
            e.model, sum(e.calls) AS calls, sum(e.cost_nanos) AS cost_nanos,
            coalesce(sum(e.cost_nanos) FILTER (WHERE e.price_id IS NULL), 0) AS unpriced_nanos, sum(e.input) AS input,
            sum(e.output) AS output, sum(e.cache_read) AS cache_read,
            sum(e.cache_write_5m::bigint + e.cache_write_1h) AS cache_write, sum(e.reasoning) AS reasoning
        FROM due d
        JOIN entry e ON e.partition = d.partition AND e.version > d.done AND e.version <= d.upto
        GROUP BY 1, 2, 3, 4, 5
    ),
    days AS (
        INSERT INTO rollup_day AS r (
            day, tenant, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
        )
        SELECT
            f.day, f.tenant, f.agent, f.model, sum(f.calls), sum(f.cost_nanos), sum(f.unpriced_nanos), sum(f.input),
            sum(f.output), sum(f.cache_read), sum(f.cache_write), sum(f.reasoning)
        FROM fresh f
        GROUP BY f.day, f.tenant, f.agent, f.model
        ORDER BY f.day, f.tenant, f.agent, f.model
        ON CONFLICT (day, tenant, agent, model) DO UPDATE SET
            calls = r.calls + excluded.calls,
            cost_nanos = r.cost_nanos + excluded.cost_nanos,
            unpriced_nanos = r.unpriced_nanos + excluded.unpriced_nanos,
            input = r.input + excluded.input,
            output = r.output + excluded.output,
            cache_read = r.cache_read + excluded.cache_read,
            cache_write = r.cache_write + excluded.cache_write,
            reasoning = r.reasoning + excluded.reasoning
    ),
    months AS (
        INSERT INTO rollup_month AS r (
            month, tenant, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
        )
        SELECT
            date_trunc('month', f.day::timestamp)::date AS month, f.tenant, f.agent, f.model, sum(f.calls),
            sum(f.cost_nanos), sum(f.unpriced_nanos), sum(f.input), sum(f.output), sum(f.cache_read), sum(f.cache_write),
            sum(f.reasoning)
        FROM fresh f
        GROUP BY 1, f.tenant, f.agent, f.model
        ORDER BY 1, f.tenant, f.agent, f.model
        ON CONFLICT (month, tenant, agent, model) DO UPDATE SET
            calls = r.calls + excluded.calls,
            cost_nanos = r.cost_nanos + excluded.cost_nanos,
            unpriced_nanos = r.unpriced_nanos + excluded.unpriced_nanos,
            input = r.input + excluded.input,
            output = r.output + excluded.output,
            cache_read = r.cache_read + excluded.cache_read,
            cache_write = r.cache_write + excluded.cache_write,
            reasoning = r.reasoning + excluded.reasoning
    ),
    hours AS (
        INSERT INTO rollup_fleet_hour AS r (
            day, hour, partition, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
        )
        SELECT
            f.day, f.hour, $1, sum(f.calls), sum(f.cost_nanos), sum(f.unpriced_nanos), sum(f.input), sum(f.output),
            sum(f.cache_read), sum(f.cache_write), sum(f.reasoning)
        FROM fresh f
        GROUP BY f.day, f.hour
        ORDER BY f.day, f.hour
        ON CONFLICT (day, hour, partition) DO UPDATE SET
            calls = r.calls + excluded.calls,
            cost_nanos = r.cost_nanos + excluded.cost_nanos,
            unpriced_nanos = r.unpriced_nanos + excluded.unpriced_nanos,
            input = r.input + excluded.input,
            output = r.output + excluded.output,
            cache_read = r.cache_read + excluded.cache_read,
            cache_write = r.cache_write + excluded.cache_write,
            reasoning = r.reasoning + excluded.reasoning
    )
    UPDATE rollup_cursor c SET version = d.upto
    FROM due d
    WHERE c.partition = d.partition AND d.upto > d.done
    RETURNING d.upto - d.done
$$;

-- Fills the rollups from the hourly one, which holds all that is booked: no transaction can book meanwhile. For a ledger that had
-- no followers, and for one whose rollups are to be made anew.
CREATE FUNCTION ledger_fold_anew() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM p.version FROM partition p ORDER BY p.partition FOR UPDATE;
    TRUNCATE rollup_cursor, rollup_day, rollup_month, rollup_fleet_hour;
    INSERT INTO rollup_cursor (partition, version) SELECT p.partition, p.version FROM partition p;
    INSERT INTO rollup_day (
        day, tenant, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
    )
    SELECT
        r.day, r.tenant, r.agent, r.model, sum(r.calls), sum(r.cost_nanos), sum(r.unpriced_nanos), sum(r.input),
        sum(r.output), sum(r.cache_read), sum(r.cache_write), sum(r.reasoning)
    FROM rollup_hour r
    GROUP BY r.day, r.tenant, r.agent, r.model;
    INSERT INTO rollup_month (
        month, tenant, agent, model, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
    )
    SELECT
        date_trunc('month', r.day::timestamp)::date, r.tenant, r.agent, r.model, sum(r.calls), sum(r.cost_nanos),
        sum(r.unpriced_nanos), sum(r.input), sum(r.output), sum(r.cache_read), sum(r.cache_write), sum(r.reasoning)
    FROM rollup_day r
    GROUP BY 1, r.tenant, r.agent, r.model;
    -- Which partition an hour's part came from only keeps followers apart: what is older stands under the first.
    INSERT INTO rollup_fleet_hour (
        day, hour, partition, calls, cost_nanos, unpriced_nanos, input, output, cache_read, cache_write, reasoning
    )
    SELECT
        r.day, r.hour, 0, sum(r.calls), sum(r.cost_nanos), sum(r.unpriced_nanos), sum(r.input), sum(r.output),
        sum(r.cache_read), sum(r.cache_write), sum(r.reasoning)
    FROM rollup_hour r
    GROUP BY r.day, r.hour;
END
$$;

SELECT ledger_fold_anew();

-- A partition that is added later has its cursor from the start.
CREATE FUNCTION rollup_cursor_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rollup_cursor (partition, version) VALUES (new.partition, new.version) ON CONFLICT DO NOTHING;
    RETURN new;
END
$$;

CREATE TRIGGER rollup_cursor_made AFTER INSERT ON partition FOR EACH ROW EXECUTE FUNCTION rollup_cursor_made();

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
DROP TRIGGER rollup_cursor_made ON partition;
DROP FUNCTION rollup_cursor_made();
DROP FUNCTION ledger_fold_anew();
DROP FUNCTION ledger_fold(smallint, bigint);
DROP FUNCTION ledger_fresh(date, date, text);
DROP TABLE rollup_fleet_hour;
DROP TABLE rollup_month;
DROP TABLE rollup_day;
DROP TABLE rollup_cursor;
DROP INDEX entry_booked;
