-- Notes for which scopes the transactions of some partitions have meters to add to: those that budgets name by now. Where
-- one has the window of a run, runs are among them.
-- $1 partitions, locked
-- Index: partition_pkey, budget_scope, budget_of_run
WITH used AS (
    SELECT coalesce(array_agg(s.scope ORDER BY s.scope), '{}') AS scopes
    FROM unnest('{agent,instance,model,run,tag,tenant}'::text[]) AS s (scope)
    WHERE EXISTS (SELECT FROM budget b WHERE b.scope = s.scope AND b.id <> 'daily')
        OR (s.scope = 'run' AND EXISTS (SELECT FROM budget b WHERE b.window_kind = 'run'))
)
UPDATE partition p SET meter_scopes = u.scopes
FROM used u
WHERE p.partition = ANY($1::smallint[]) AND p.meter_scopes <> u.scopes
