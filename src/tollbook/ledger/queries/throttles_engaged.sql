-- Meters that refuse by what is settled, of which nothing has been found to have ended.
-- $1 partitions, $2 tenant, null: everyone's; $3 now
-- Rows: tenant, meter, budget_id, limit_amount, ends_at; soonest end first. Index: alert_throttle_engaged
SELECT t.tenant, t.meter, t.budget_id, t.limit_amount, t.ends_at
FROM alert_throttle t
WHERE t.partition = ANY($1::smallint[]) AND t.engaged AND ($2::text IS NULL OR t.tenant = $2)
    AND (t.ends_at IS NULL OR t.ends_at > $3)
ORDER BY t.ends_at, t.tenant, t.meter
