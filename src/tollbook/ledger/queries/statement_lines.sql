-- A tenant's statement of one period: entries of its days up to the period's close, and of earlier days behind the close before,
-- summed by the month of their day, whether they correct others, agent path, model, provider and rate card.
-- Days come from daily_spend, by the version that touched each last; what was booked for them from entries between the first
-- and the last hour that rollup_hour has of each, since a held call's time lies up to 35 days behind its day.
-- $1 tenant, $2 the period's first day, $3 its last, $4 versions by partition behind which earlier days count (null: the period
-- before is open), $5 versions up to which entries count (null: this one is open)
-- Rows: month (first day), corrects (entries that correct calls of a closed month), agent, model, provider, price_id, entries,
--       calls, cost_nanos, unpriced_nanos, estimated_nanos, six counts, units_unpriced and context_unknown (calls),
--       first_ts, last_ts, units (JSON, null: none)
-- Index: daily_spend_pkey, rollup_hour_pkey, entry_<month>_tenant_ts_entry_id_idx (of entry_tenant_ts)
WITH touched AS MATERIALIZED (
    SELECT d.day
    FROM daily_spend d
    WHERE d.tenant_id = $1 AND d.day <= $3::date
        AND (d.day >= $2::date OR d.version > coalesce(($4::bigint[])[d.partition + 1], 0) AND $4::bigint[] IS NOT NULL)
),
span AS MATERIALIZED (
    SELECT
        t.day,
        (SELECT r.hour FROM rollup_hour r WHERE r.day = t.day AND r.tenant = $1 ORDER BY r.hour LIMIT 1) AS since,
        (SELECT r.hour FROM rollup_hour r WHERE r.day = t.day AND r.tenant = $1 ORDER BY r.hour DESC LIMIT 1) AS until
    FROM touched t
),
part AS MATERIALIZED (
    SELECT
        date_trunc('month', s.day)::date AS month, s.day < $2::date AND e.corrects IS NOT NULL AS corrects,
        CASE WHEN strpos(e.agent, '#') > 0 THEN regexp_replace(e.agent, '#[^/]*', '', 'g') ELSE e.agent END AS roles,
        e.model, e.provider, e.price_id, e.units, count(*) AS entries, sum(e.calls) AS calls, sum(e.cost_nanos) AS cost_nanos,
        sum(e.cost_nanos) FILTER (WHERE e.standing <> 0 AND e.standing & 8388608 = 0) AS estimated_nanos,
        sum(e.input) AS input, sum(e.cache_read) AS cache_read, sum(e.cache_write_5m) AS cache_write_5m,
        sum(e.cache_write_1h) AS cache_write_1h, sum(e.output) AS output, sum(e.reasoning) AS reasoning,
        sum(e.calls) FILTER (WHERE e.flags & 4 <> 0) AS units_unpriced,
        sum(e.calls) FILTER (WHERE e.flags & 2 <> 0) AS context_unknown, min(e.ts) AS first_ts, max(e.ts) AS last_ts
    FROM span s
    JOIN entry e ON e.tenant = $1 AND e.ts >= s.since AND e.ts < s.until + interval '1 hour' AND e.day = s.day
        -- The same for all days together, so that no other month's partition is looked at, however the join is made.
        AND e.ts >= (SELECT min(a.since) FROM span a)
        AND e.ts < (SELECT max(a.until) + interval '1 hour' FROM span a)
    WHERE (s.day >= $2::date OR e.version > coalesce(($4::bigint[])[e.partition + 1], 0))
        AND ($5::bigint[] IS NULL OR e.version <= coalesce(($5::bigint[])[e.partition + 1], 0))
    GROUP BY 1, 2, 3, e.model, e.provider, e.price_id, e.units
),
other AS (
    SELECT
        u.month, u.corrects, u.roles, u.model, u.provider, u.price_id, jsonb_object_agg(u.unit, u.count ORDER BY u.unit) AS units
    FROM (
        SELECT
            p.month, p.corrects, p.roles, p.model, p.provider, p.price_id, j.key AS unit, sum(j.value::bigint * p.entries) AS count
        FROM part p
        CROSS JOIN LATERAL jsonb_each_text(p.units) AS j
        WHERE p.units IS NOT NULL
        GROUP BY p.month, p.corrects, p.roles, p.model, p.provider, p.price_id, j.key
    ) AS u
    WHERE u.count <> 0
    GROUP BY u.month, u.corrects, u.roles, u.model, u.provider, u.price_id
),
line AS (
    SELECT
        p.month, p.corrects, p.roles, p.model, p.provider, p.price_id, sum(p.entries)::bigint AS entries,
        sum(p.calls)::bigint AS calls, sum(p.cost_nanos)::bigint AS cost_nanos,
        coalesce(sum(p.estimated_nanos), 0)::bigint AS estimated_nanos, sum(p.input)::bigint AS input,
        sum(p.cache_read)::bigint AS cache_read, sum(p.cache_write_5m)::bigint AS cache_write_5m,
        sum(p.cache_write_1h)::bigint AS cache_write_1h, sum(p.output)::bigint AS output,
        sum(p.reasoning)::bigint AS reasoning, coalesce(sum(p.units_unpriced), 0)::bigint AS units_unpriced,
        coalesce(sum(p.context_unknown), 0)::bigint AS context_unknown, min(p.first_ts) AS first_ts, max(p.last_ts) AS last_ts
    FROM part p
    GROUP BY p.month, p.corrects, p.roles, p.model, p.provider, p.price_id
)
SELECT
    l.month, l.corrects, l.roles AS agent, l.model, l.provider, l.price_id, l.entries, l.calls, l.cost_nanos,
    CASE WHEN l.price_id IS NULL THEN l.cost_nanos ELSE 0 END AS unpriced_nanos, l.estimated_nanos, l.input, l.cache_read,
    l.cache_write_5m, l.cache_write_1h, l.output, l.reasoning, l.units_unpriced, l.context_unknown, l.first_ts, l.last_ts, o.units
FROM line l
LEFT JOIN other o ON (o.month, o.corrects, o.roles, o.model) = (l.month, l.corrects, l.roles, l.model)
    AND o.provider IS NOT DISTINCT FROM l.provider AND o.price_id IS NOT DISTINCT FROM l.price_id
