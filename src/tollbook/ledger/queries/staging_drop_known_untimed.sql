-- Takes out of staging what is already in the ledger, for ids without a time: every live generation is looked in.
-- Rows: entry_id, conflict (same identity, other content).
-- Index: identity_<week>_pkey, one probe a row and generation
-- $1 live generations
DELETE FROM staging s
USING identity i
WHERE s.generation = 0 AND i.generation = ANY($1::integer[]) AND i.entry_id = s.entry_id
RETURNING s.entry_id, i.fingerprint <> s.fingerprint AS conflict
