-- Keeps a closed statement; one that is kept stays as it is.
-- $1 tenant, $2 the period's first day, $3 its close, $4 zone, $5 and $6 bounds, $7 entries, $8 calls, $9 nano-dollars,
-- $10 and $11 times of the first and last call, $12 lines, $13 their SHA-256
-- Index: closed_statement_pkey
INSERT INTO closed_statement (
    tenant, period, close_id, zone, starts_at, ends_at, entries, calls, cost_nanos, first_ts, last_ts, lines, digest
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, period) DO NOTHING
