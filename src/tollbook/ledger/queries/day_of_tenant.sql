-- The committed total of a tenant's day.
-- $1 tenant, $2 local day
-- Rows: cost_nanos, calls, unpriced_nanos; none where nothing was booked. Index: daily_spend_pkey
SELECT d.cost_nanos, d.calls, d.unpriced_nanos FROM daily_spend d WHERE d.tenant_id = $1 AND d.day = $2
