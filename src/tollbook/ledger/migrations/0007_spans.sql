-- Spans, for the view of a run and so that an ancestor that comes late can say whose work a call was
-- depends: 0001_core

-- migrate: apply

-- Weekly partitions by when a span started, dropped whole behind the retention. kept: Unix nanoseconds of the request
-- that brought it, which orders spans; facts: what ingest made of it; run: the run that the span itself names.
CREATE TABLE span (
    tenant        text NOT NULL,
    trace_id      bytea NOT NULL,
    span_id       bytea NOT NULL,
    parent_id     bytea,
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL,
    kept          bigint NOT NULL,
    failed        boolean NOT NULL,
    name          text NOT NULL,
    kind          text NOT NULL,
    run           text,
    facts         bytea NOT NULL,
    attributes    text,
    PRIMARY KEY (trace_id, span_id, tenant, started_at)
) PARTITION BY RANGE (started_at);

CREATE INDEX span_parent ON span (trace_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX span_run ON span (tenant, run, started_at) WHERE run IS NOT NULL;

-- Partitions of span by week, from the retention's start until well ahead of `at`; drops those that ended before it.
-- Returns how many it dropped.
CREATE FUNCTION span_make_room(at timestamptz, keep interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    oldest integer := floor(extract(epoch FROM at - keep) / 604800)::integer;
    week integer := oldest;
    dropped integer := 0;
    name text;
    old record;
BEGIN
    PERFORM pg_advisory_xact_lock(7011007);
    WHILE week <= floor(extract(epoch FROM at) / 604800)::integer + 2 LOOP
        name := 'span_' || week;
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF span FOR VALUES FROM (%L) TO (%L)', name,
                to_timestamp(week * 604800::bigint), to_timestamp((week + 1) * 604800::bigint));
        END IF;
        week := week + 1;
    END LOOP;
    FOR old IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'span'::regclass AND substr(c.relname, 6)::integer < oldest
    LOOP
        EXECUTE format('DROP TABLE %I', old.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

SELECT span_make_room(now(), interval '30 days');

-- migrate: rollback

DROP FUNCTION span_make_room(timestamptz, interval);
DROP TABLE span;
