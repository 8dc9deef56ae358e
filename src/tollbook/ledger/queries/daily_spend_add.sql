-- Adds the batch to each tenant's day and answers the new totals: what settle sets in Valkey.
-- `version` and the partition beside it tell statements which days were touched behind a close.
-- $1 partition, $2 version of this transaction
-- Rows: tenant_id, day, cost_nanos, window_start, window_end. Lock order: by key.
-- Index: daily_spend_pkey; the update is HOT, no indexed column changes
INSERT INTO daily_spend AS d (
    tenant_id, day, cost_nanos, calls, input, output, unpriced_nanos, window_start, window_end, partition,
    version
)
SELECT
    s.tenant, s.day, sum(s.cost_nanos)::bigint, sum(s.calls), sum(s.input), sum(s.output),
    coalesce(sum(s.cost_nanos) FILTER (WHERE s.price_id = 0), 0)::bigint,
    min(s.window_start), max(s.window_end), $1::smallint, $2::bigint
FROM staging s
GROUP BY s.tenant, s.day
ORDER BY s.tenant, s.day
ON CONFLICT (tenant_id, day) DO UPDATE SET
    cost_nanos = d.cost_nanos + excluded.cost_nanos,
    calls = d.calls + excluded.calls,
    input = d.input + excluded.input,
    output = d.output + excluded.output,
    unpriced_nanos = d.unpriced_nanos + excluded.unpriced_nanos,
    partition = excluded.partition,
    version = excluded.version
RETURNING d.tenant_id, d.day, d.cost_nanos, d.window_start, d.window_end
