-- What some tenants' months have come to.
-- $1 tenants, $2 first days of the months, pairwise
-- Rows: tenant, cost_nanos. Index: rollup_month_pkey (one descent a tenant), entry_booked
SELECT r.tenant, sum(r.cost_nanos)::bigint AS cost_nanos
FROM (
    SELECT m.tenant, m.cost_nanos
    FROM unnest($1::text[], $2::date[]) AS asked (tenant, month)
    JOIN rollup_month m ON m.month = asked.month AND m.tenant = asked.tenant
    UNION ALL
    SELECT f.tenant, f.cost_nanos
    FROM ledger_fresh(
        (SELECT min(a.month) FROM unnest($2::date[]) AS a (month)),
        (SELECT max(a.month) + 31 FROM unnest($2::date[]) AS a (month)),
        NULL
    ) f
    JOIN unnest($1::text[], $2::date[]) AS asked (tenant, month)
        ON f.tenant = asked.tenant AND date_trunc('month', f.day::timestamp)::date = asked.month
) AS r
GROUP BY r.tenant
