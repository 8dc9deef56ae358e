-- What the gate refused to a tenant's run, most often first.
-- $1 tenant, $2 run or '' for calls of none, $3 rows at most
-- Rows: the columns of ports.refusals.Refused in its order. Index: refusal_pkey
SELECT
    r.tenant, r.run, r.agent, r.model, r.verdict, r.budget, sum(r.count)::bigint AS times,
    min(r.first_at) AS first_at, max(r.last_at) AS last_at
FROM refusal r
WHERE r.tenant = $1 AND r.run = $2
GROUP BY r.tenant, r.run, r.agent, r.model, r.verdict, r.budget
ORDER BY sum(r.count) DESC, r.agent, r.model, r.verdict
LIMIT $3
