-- The mean output of an agent's calls on a model since a local day, in tokens, rounded up.
-- $1 tenant, $2 first local day, $3 path of roles, $4 model
-- Rows: one with mean, null where there were no calls.
-- Index: rollup_hour_pkey (tenant, then the days from $2 on).
SELECT (sum(output) + sum(calls) - 1) / nullif(sum(calls), 0) AS mean
FROM rollup_hour
WHERE tenant = $1 AND day >= $2 AND agent = $3 AND model = $4
