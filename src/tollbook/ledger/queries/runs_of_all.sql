-- Runs that fit, those that began last first, among so many rows behind a place in that order.
-- $1 first_ts, $2 run and $3 tenant of the place, $4 runs at most, $5 rows to look at, $6 first instant,
-- $7 tenant or null for all, $8 agent or its roles with what is below, $9 model, $10 least nano-dollars (each null: any)
-- Rows: the columns of ports.reading.RunListing in its order. Index: run_started, run_total_pkey
SELECT
    f.tenant, f.run, f.first_ts, s.last_ts, s.agents, s.models, s.calls, s.cost_nanos, s.unpriced_nanos, s.input, s.output,
    s.cache_read, s.cache_write, s.reasoning
FROM (
    SELECT r.tenant, r.run, r.first_ts, r.agent, r.model
    FROM run_total r
    WHERE (r.first_ts, r.run, r.tenant) < ($1::timestamptz, $2::text, $3::text) AND r.first_ts >= $6::timestamptz
    ORDER BY r.first_ts DESC, r.run DESC, r.tenant DESC
    FETCH FIRST $5 ROWS WITH TIES
) AS f
CROSS JOIN LATERAL (
    SELECT
        max(r.last_ts) AS last_ts, count(DISTINCT r.agent) AS agents, array_agg(DISTINCT r.model) AS models,
        sum(r.calls)::bigint AS calls, sum(r.cost_nanos)::bigint AS cost_nanos,
        sum(r.unpriced_nanos)::bigint AS unpriced_nanos, sum(r.input)::bigint AS input, sum(r.output)::bigint AS output,
        sum(r.cache_read)::bigint AS cache_read, sum(r.cache_write)::bigint AS cache_write,
        sum(r.reasoning)::bigint AS reasoning,
        bool_or($8::text IS NULL OR starts_with(r.agent || '/', $8 || '/')
            OR starts_with(regexp_replace(r.agent, '#[^/]*', '', 'g') || '/', $8 || '/')) AS has_agent,
        bool_or($9::text IS NULL OR r.model = $9) AS has_model
    FROM run_total r
    WHERE r.run = f.run AND r.tenant = f.tenant AND (r.calls <> 0 OR r.cost_nanos <> 0)
) AS s
-- A run stands where its first row stands.
WHERE NOT EXISTS (
        SELECT FROM run_total o
        WHERE o.run = f.run AND o.tenant = f.tenant AND (o.first_ts, o.agent, o.model) < (f.first_ts, f.agent, f.model))
    AND s.has_agent AND s.has_model AND ($10::bigint IS NULL OR s.cost_nanos >= $10) AND ($7::text IS NULL OR f.tenant = $7)
ORDER BY f.first_ts DESC, f.run DESC, f.tenant DESC
LIMIT $4
