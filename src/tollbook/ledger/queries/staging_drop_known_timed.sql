-- Takes out of staging what is already in the ledger, for ids that carry their own time: one generation to look in.
-- The bound of one row keeps the planner from turning the join around and reading every identity.
-- Rows: entry_id, fingerprint, conflict (same identity, other content).
-- Index: identity_<week>_pkey, one probe a row
WITH known AS MATERIALIZED (
    SELECT s.ctid AS place, s.entry_id, s.fingerprint, k.fingerprint <> s.fingerprint AS conflict
    FROM staging s
    CROSS JOIN LATERAL (
        SELECT i.fingerprint FROM identity i
        WHERE i.entry_id = s.entry_id AND i.generation = s.generation
        LIMIT 1
    ) AS k
    WHERE s.generation > 0
)
DELETE FROM staging s
USING known
WHERE s.ctid = known.place
RETURNING known.entry_id, known.fingerprint, known.conflict
