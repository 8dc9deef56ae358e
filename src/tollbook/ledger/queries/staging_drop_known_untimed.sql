-- Takes out of staging what is already in the ledger, looking in every live generation: ids without a time, and ids
-- of a past week, whose repeat may have come a moment too late to count as timed and been booked before them.
-- Rows: entry_id, fingerprint, conflict (same identity, other content).
-- Index: identity_<week>_pkey, one probe a row and generation
-- $1 oldest live generation, $2 the week of this transaction
DELETE FROM staging s
USING identity i
WHERE s.generation < $2::integer AND i.generation BETWEEN $1::integer AND $2::integer + 1 AND i.entry_id = s.entry_id
RETURNING s.entry_id, s.fingerprint, i.fingerprint <> s.fingerprint AS conflict
