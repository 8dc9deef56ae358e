-- The days of tenants that have not ended, or not long ago, as they are booked.
-- $1 partitions, $2 instant behind which a day ended
-- Rows: tenant_id, day, calls, cost_nanos, unpriced_nanos. Index: daily_spend_open
SELECT d.tenant_id, d.day, d.calls, d.cost_nanos, d.unpriced_nanos
FROM daily_spend d
WHERE d.partition = ANY($1::smallint[]) AND d.window_end > $2
