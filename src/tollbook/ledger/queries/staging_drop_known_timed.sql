-- Takes out of staging what is already in the ledger, for ids that carry their own time: one generation to look in.
-- Rows: entry_id, fingerprint, conflict (same identity, other content).
-- Index: identity_<week>_pkey, one probe a row
DELETE FROM staging s
USING identity i
WHERE s.generation > 0 AND i.generation = s.generation AND i.entry_id = s.entry_id
RETURNING s.entry_id, s.fingerprint, i.fingerprint <> s.fingerprint AS conflict
