-- Takes out of staging what is already in the ledger, looking in every live generation: ids without a time, and ids
-- of a past week, whose repeat may have come a moment too late to count as timed and been booked before them.
-- The bound of one row keeps the planner from turning the join around and reading every identity.
-- Rows: entry_id, fingerprint, conflict (same identity, other content).
-- Index: identity_<week>_pkey, one probe a row and generation
-- $1 oldest live generation, $2 the week of this transaction
WITH known AS MATERIALIZED (
    SELECT s.ctid AS place, s.entry_id, s.fingerprint, k.fingerprint <> s.fingerprint AS conflict
    FROM staging s
    CROSS JOIN LATERAL (
        SELECT i.fingerprint FROM identity i
        WHERE i.entry_id = s.entry_id AND i.generation BETWEEN $1::integer AND $2::integer + 1
        LIMIT 1
    ) AS k
    WHERE s.generation < $2::integer
)
DELETE FROM staging s
USING known
WHERE s.ctid = known.place
RETURNING known.entry_id, known.fingerprint, known.conflict
