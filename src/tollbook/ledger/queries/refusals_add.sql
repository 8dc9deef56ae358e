-- Counts calls that the gate refused.
-- One array for each column: $1 tenant, $2 run or '', $3 UTC day, $4 agent, $5 model, $6 verdict, $7 the
-- budget that refused or '', $8 refusals, $9 first and $10 last instant
-- Lock order: by key. Index: refusal_pkey; the update is HOT
INSERT INTO refusal AS r (tenant, run, day, agent, model, verdict, budget, count, first_at, last_at)
SELECT n.tenant, n.run, n.day, n.agent, n.model, n.verdict, n.budget, n.count, n.first_at, n.last_at
FROM unnest(
    $1::text[], $2::text[], $3::date[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::timestamptz[],
    $10::timestamptz[]
) AS n (tenant, run, day, agent, model, verdict, budget, count, first_at, last_at)
ORDER BY n.tenant, n.run, n.day, n.agent, n.model, n.verdict, n.budget
ON CONFLICT (tenant, run, day, agent, model, verdict, budget) DO UPDATE SET
    count = r.count + excluded.count,
    first_at = least(r.first_at, excluded.first_at),
    last_at = greatest(r.last_at, excluded.last_at)
