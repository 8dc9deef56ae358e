-- Keeps alerts that are not there yet, each with a delivery for every hook that wants it, due at once.
-- pairwise: $1 kinds, $2 tenants, $3 crossings, $4 marks, $5 texts, $6 facts as JSON; $7 now. Alerts of one statement lie
-- a microsecond apart, in the order given.
-- Rows: alert_id, crossing, mark, deliveries. Lock order: by crossing. Index: alert_once
WITH raised AS (
    INSERT INTO alert (kind, tenant, crossing, mark, text, facts, raised_at)
    SELECT a.kind, a.tenant, a.crossing, a.mark, a.text, a.facts::jsonb, $7::timestamptz + a.place * interval '1 microsecond'
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[]) WITH ORDINALITY
        AS a (kind, tenant, crossing, mark, text, facts, place)
    ORDER BY a.crossing, a.mark
    ON CONFLICT (crossing, mark) DO NOTHING
    RETURNING alert_id, kind, tenant, crossing, mark
), due AS (
    INSERT INTO alert_delivery (alert_id, hook_id, next_at)
    SELECT r.alert_id, h.hook_id, $7
    FROM raised r
    JOIN alert_hook h
        ON h.tenant IN ('', r.tenant) AND (h.kinds = '{}' OR r.kind = ANY(h.kinds)) AND h.disabled IS NULL
    RETURNING alert_id
)
SELECT r.alert_id, r.crossing, r.mark, count(d.alert_id) AS deliveries
FROM raised r
LEFT JOIN due d ON d.alert_id = r.alert_id
GROUP BY r.alert_id, r.crossing, r.mark
