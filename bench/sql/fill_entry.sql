-- Fills the ledger with entries of the last 30 days, evenly over the time, in the order they would have come.
-- Four fifths are drawn by the Zipf law of bench/traffic.py, a fifth uniformly, so that every tenant has some.
-- $1 entries, $2 tenants, $3 instant of the newest, $4 agents, $5 models
INSERT INTO entry (
    entry_id, ts, cost_nanos, price_id, version, input, output, cache_read, cache_write_5m, cache_write_1h, reasoning,
    day, partition, flags, tenant, agent, model, source, run, event_id
)
SELECT
    -- One id in four carries no time, as a UUIDv4 does not.
    CASE WHEN drawn.n % 4 = 0 THEN md5('v4-' || drawn.n)
         ELSE lpad(to_hex((extract(epoch FROM drawn.ts) * 1000)::bigint), 12, '0') || substr(md5(drawn.n::text), 1, 20)
    END::uuid,
    drawn.ts, drawn.input * 3000::bigint, 1, 0, drawn.input, drawn.input / 12, 0, 0, 0, 0,
    (drawn.ts AT TIME ZONE 'UTC')::date, 0, 0,
    'tenant-' || lpad((drawn.rank * 7919 % $2::integer)::text, 6, '0'),
    ($4::text[])[1 + drawn.n % array_length($4::text[], 1)],
    ($5::text[])[1 + (drawn.rank + drawn.n % 2) % array_length($5::text[], 1)],
    'default',
    'run-' || to_char(drawn.ts AT TIME ZONE 'UTC', 'MMDD'),
    md5('id-' || drawn.n)::uuid::text
FROM (
    SELECT
        series.n,
        $3::timestamptz - interval '30 days' * (1 - series.n / $1::double precision) AS ts,
        (100 + random() * 8000)::integer AS input,
        CASE WHEN series.n % 5 = 0 THEN floor(random() * $2::integer)
             ELSE least($2::integer, floor(power(1 + random() * (power($2::integer, -0.1) - 1), -10))) - 1
        END::bigint AS rank
    FROM generate_series(1, $1::bigint) AS series (n)
) AS drawn
