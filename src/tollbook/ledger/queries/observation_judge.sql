-- Judges observations of known calls: stages a reversal of what stands and its replacement where they know better, and
-- answers which of them are conflicts. `docs/rooms/corrections.md` gives the rules; each is a maximum over what was seen of
-- the call, so that the order of arrival is none of them.
-- Corrections are looked for within 140 days of the first entry: an identity lives 84, an event is 35 days old at the most.
-- $1 oldest live generation, $2 the week of this transaction
-- Rows: entry_id, fingerprint of each conflict. Lock order: by key.
-- Index: identity_<week>_pkey, entry_corrects, entry_ts, daily_spend_pkey
WITH named AS MATERIALIZED (
    SELECT DISTINCT o.entry_id AS call FROM observation o
),
place AS MATERIALIZED (
    SELECT
        n.call, i.generation, i.fingerprint, i.ts IS NULL AS old, coalesce(l.nth, 0) + 1 AS nth,
        coalesce(l.calls, 1) = 1 AS stands, coalesce(l.ts, i.ts) AS ts, coalesce(l.entry_id, n.call) AS entry_id
    FROM named n
    CROSS JOIN LATERAL (
        SELECT i.ts, i.generation, i.fingerprint FROM identity i
        WHERE i.entry_id = n.call AND i.generation BETWEEN $1::integer AND $2::integer + 1
        LIMIT 1
    ) AS i
    LEFT JOIN LATERAL (
        SELECT r.entry_id, r.ts, r.nth, r.calls FROM entry r
        WHERE r.corrects = n.call AND r.ts BETWEEN i.ts - interval '140 days' AND i.ts + interval '140 days'
        ORDER BY r.nth DESC, r.calls DESC
        LIMIT 1
    ) AS l ON true
),
booked AS MATERIALIZED (
    SELECT
        p.call, p.fingerprint, e.ts, e.day, d.window_start, d.window_end, e.cost_nanos, coalesce(e.price_id, 0) AS price_id,
        coalesce(e.reported_nanos, -1) AS reported_nanos, e.input, e.output, e.cache_read, e.cache_write_5m,
        e.cache_write_1h, e.reasoning, e.flags, coalesce(e.standing, 0) AS standing, e.tenant, e.agent,
        regexp_replace(e.agent, '#[^/]*', '', 'g') AS roles, e.model, e.provider, e.source, e.run, e.service_tier,
        e.event_id, e.call_id, e.tags, e.hold, e.units, e.context, e.learned
    FROM place p
    JOIN entry e ON e.ts = p.ts AND e.entry_id = p.entry_id
    JOIN daily_spend d ON d.tenant_id = e.tenant AND d.day = e.day
    WHERE p.stands
),
-- Of equal observations by one source the first stands, as everywhere; the others are conflicts if they say otherwise.
judged AS MATERIALIZED (
    SELECT
        o.ctid AS row, o.entry_id, o.fingerprint,
        p.old OR coalesce(b.standing = 0, false)
            OR coalesce(b.standing = o.standing AND b.source = o.source AND b.fingerprint <> o.fingerprint, false)
            OR o.fingerprint <> first_value(o.fingerprint) OVER alike AS conflict,
        row_number() OVER alike = 1 AND (b.call IS NOT NULL OR o.standing >> 24 >= 3 OR o.group_key IS NOT NULL) AS counts
    FROM observation o
    JOIN place p ON p.call = o.entry_id
    LEFT JOIN booked b ON b.call = o.entry_id
    WINDOW alike AS (PARTITION BY o.entry_id, o.standing, o.source ORDER BY o.ctid)
),
candidate AS MATERIALIZED (
    SELECT
        b.call, true AS stands, b.fingerprint, b.ts, b.day, b.window_start, b.window_end, b.cost_nanos, b.price_id,
        b.reported_nanos, b.input, b.output, b.cache_read, b.cache_write_5m, b.cache_write_1h, b.reasoning, b.flags,
        b.standing, b.tenant, b.agent, b.roles, b.model, b.provider, b.source, b.run, b.service_tier, b.event_id, b.call_id,
        b.tags, b.hold, b.units, b.context, coalesce(b.learned, ledger_knows(b.standing, b.agent, b.run, b.hold, b.tags)) AS knows
    FROM booked b
    UNION ALL
    SELECT
        o.entry_id, false, o.fingerprint, o.ts, o.day, o.window_start, o.window_end, o.cost_nanos, o.price_id,
        o.reported_nanos, o.input, o.output, o.cache_read, o.cache_write_5m, o.cache_write_1h, o.reasoning, o.flags,
        o.standing, o.tenant, o.agent, o.roles, o.model, o.provider, o.source, o.run, o.service_tier, o.event_id, o.call_id,
        o.tags, o.hold, o.units, o.context, ledger_knows(o.standing, o.agent, o.run, o.hold, o.tags)
    FROM observation o
    JOIN judged j ON j.row = o.ctid
    WHERE j.counts AND NOT j.conflict
),
best AS MATERIALIZED (
    SELECT DISTINCT ON (c.call)
        c.call, c.stands, c.fingerprint, c.ts, c.day, c.window_start, c.window_end, c.cost_nanos, c.price_id,
        c.reported_nanos, c.input, c.output, c.cache_read, c.cache_write_5m, c.cache_write_1h, c.reasoning, c.flags,
        c.standing, c.tenant, c.agent, c.roles, c.model, c.provider, c.source, c.run, c.service_tier, c.event_id, c.call_id,
        c.tags, c.hold, c.units, c.context
    FROM candidate c
    ORDER BY c.call, c.standing DESC, c.fingerprint DESC
),
agent AS MATERIALIZED (
    SELECT DISTINCT ON (c.call) c.call, c.knows[1] AS by, c.agent, c.roles
    FROM candidate c
    ORDER BY c.call, c.knows[1] DESC, c.agent
),
run AS MATERIALIZED (
    SELECT DISTINCT ON (c.call) c.call, c.knows[2] AS by, c.run FROM candidate c ORDER BY c.call, c.knows[2] DESC, c.run
),
-- A held call counts in its hold's windows: its day comes with it.
hold AS MATERIALIZED (
    SELECT DISTINCT ON (c.call) c.call, c.knows[3] AS by, c.hold, c.day, c.window_start, c.window_end
    FROM candidate c
    ORDER BY c.call, c.knows[3] DESC, c.hold
),
tag AS MATERIALIZED (
    SELECT DISTINCT ON (c.call) c.call, c.knows[4] AS by, c.tags FROM candidate c ORDER BY c.call, c.knows[4] DESC, c.tags
),
replacement AS MATERIALIZED (
    SELECT
        w.call, w.fingerprint, w.ts, w.cost_nanos, w.price_id, w.reported_nanos, w.input, w.output, w.cache_read,
        w.cache_write_5m, w.cache_write_1h, w.reasoning, w.flags, w.standing, w.tenant, w.model, w.provider, w.source,
        w.service_tier, w.event_id, w.call_id, w.units, w.context, p.nth, p.generation, b.call IS NOT NULL AS reverses,
        CASE WHEN a.by > 0 THEN a.agent ELSE w.agent END AS agent, CASE WHEN a.by > 0 THEN a.roles ELSE w.roles END AS roles,
        CASE WHEN r.by > 0 THEN r.run ELSE w.run END AS run, CASE WHEN t.by > 0 THEN t.tags ELSE w.tags END AS tags,
        CASE WHEN h.by > 0 THEN h.hold ELSE w.hold END AS hold, CASE WHEN h.by > 0 THEN h.day ELSE w.day END AS day,
        CASE WHEN h.by > 0 THEN h.window_start ELSE w.window_start END AS window_start,
        CASE WHEN h.by > 0 THEN h.window_end ELSE w.window_end END AS window_end, ARRAY[a.by, r.by, h.by, t.by] AS learned
    FROM best w
    JOIN place p ON p.call = w.call
    JOIN agent a ON a.call = w.call
    JOIN run r ON r.call = w.call
    JOIN hold h ON h.call = w.call
    JOIN tag t ON t.call = w.call
    LEFT JOIN booked b ON b.call = w.call
    WHERE NOT w.stands
        OR (a.by > 0 AND a.agent <> b.agent) OR (r.by > 0 AND r.run IS DISTINCT FROM b.run)
        OR (h.by > 0 AND h.hold IS DISTINCT FROM b.hold) OR (t.by > 0 AND t.tags IS DISTINCT FROM b.tags)
        OR ARRAY[a.by, r.by, h.by, t.by] <> coalesce(b.learned, ledger_knows(b.standing, b.agent, b.run, b.hold, b.tags))
),
staged AS (
    INSERT INTO staging (
        entry_id, generation, fingerprint, ts, day, window_start, window_end, cost_nanos, price_id, reported_nanos, input,
        output, cache_read, cache_write_5m, cache_write_1h, reasoning, flags, standing, tenant, agent, roles, model,
        provider, source, run, service_tier, event_id, call_id, tags, hold, units, context, calls, corrects, nth, learned
    )
    SELECT
        ledger_correction_id(b.call, x.nth, 'reversal'), 0, 0, b.ts, b.day, b.window_start, b.window_end, -b.cost_nanos,
        b.price_id, -1, -b.input, -b.output, -b.cache_read, -b.cache_write_5m, -b.cache_write_1h, -b.reasoning, b.flags,
        b.standing, b.tenant, b.agent, b.roles, b.model, b.provider, b.source, b.run, b.service_tier, b.event_id, b.call_id,
        b.tags, b.hold, ledger_negated(b.units), b.context, -1, b.call, x.nth, NULL::integer[]
    FROM booked b
    JOIN replacement x ON x.call = b.call
    UNION ALL
    SELECT
        ledger_correction_id(x.call, x.nth, 'replacement'), 0, 0, x.ts, x.day, x.window_start, x.window_end, x.cost_nanos,
        x.price_id, x.reported_nanos, x.input, x.output, x.cache_read, x.cache_write_5m, x.cache_write_1h, x.reasoning,
        x.flags, x.standing, x.tenant, x.agent, x.roles, x.model, x.provider, x.source, x.run, x.service_tier, x.event_id,
        x.call_id, x.tags, x.hold, x.units, x.context, 1, x.call, x.nth, x.learned
    FROM replacement x
),
known AS (
    UPDATE identity i SET fingerprint = x.fingerprint
    FROM replacement x
    WHERE i.entry_id = x.call AND i.generation = x.generation AND i.fingerprint <> x.fingerprint
)
SELECT j.entry_id, j.fingerprint FROM judged j WHERE j.conflict
