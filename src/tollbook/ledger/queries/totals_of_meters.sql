-- Settled totals of some of a tenant's meters, in the unit of each, with the version they are true for.
-- $1 partition, $2 tenant, $3 names of meters; `day:<date>` is the tenant's day in dollars
-- Rows: ledger_epoch, version, meter, total; one with meter null where nothing was booked in any.
-- Index: partition_pkey, daily_spend_pkey, meter_total_pkey.
SELECT ledger.ledger_epoch, partition.version, found.meter, found.total
FROM ledger
CROSS JOIN partition
LEFT JOIN (
    SELECT 'day:' || day AS meter, cost_nanos AS total
    FROM daily_spend
    WHERE tenant_id = $2
        AND day = ANY (SELECT substr(named, 5)::date FROM unnest($3::text[]) AS named WHERE named LIKE 'day:%')
    UNION ALL
    SELECT meter, total
    FROM meter_total
    WHERE tenant = $2 AND meter = ANY ($3::text[])
) AS found ON true
WHERE partition.partition = $1
