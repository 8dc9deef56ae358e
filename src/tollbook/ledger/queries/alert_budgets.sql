-- The budget in force of each of some meters: the tenant's own before everyone's, one value before each.
-- pairwise: $1 tenants, $2 scopes, $3 values, $4 what stands for each value, $5 window kinds, $6 units; $7 now
-- Rows: place (from 1 on), then the columns of a budget; none for a meter that no budget names. Index: budget_meter
SELECT DISTINCT ON (c.place)
    c.place, b.tenant, b.id, b.scope, b.match, b.window_kind, b.unit, b.limit_amount, b.thresholds, b.action, b.degrade_to,
    b.mode, b.fail, b.expires_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
    AS c (tenant, scope, value, each, window_kind, unit, place)
JOIN budget b
    ON b.tenant IN (c.tenant, '') AND b.scope = c.scope AND b.match IN (c.value, c.each)
    AND b.window_kind = c.window_kind AND b.unit = c.unit
WHERE b.expires_at IS NULL OR b.expires_at > $7
ORDER BY c.place, b.tenant DESC, b.match = c.value DESC
