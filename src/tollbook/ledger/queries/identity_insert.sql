-- Claims the identities of the batch in the transaction that books them, each by its best row, the first of equal ones.
-- $1 generation for ids without a time: the week of this transaction
-- Rows: none; the status tells how many were new. Lock order: by key.
-- Index: identity_<week>_pkey
INSERT INTO identity (generation, entry_id, fingerprint, ts)
SELECT DISTINCT ON (s.entry_id)
    CASE WHEN s.generation > 0 THEN s.generation ELSE $1::integer END, s.entry_id, s.fingerprint, s.ts
FROM staging s
ORDER BY s.entry_id, s.standing DESC, s.ctid
ON CONFLICT DO NOTHING
