-- Every tenant's total of a day.
-- $1 day
-- Rows: tenant_id, cents, cost_nanos. Index: none, the demo's table is small
SELECT tenant_id, cents, cost_nanos FROM daily_spend WHERE day = $1
