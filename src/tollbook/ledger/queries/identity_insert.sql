-- Claims the identities of the batch in the transaction that books them.
-- $1 generation for ids without a time: the week of this transaction
-- Rows: none; the status tells how many were new. Lock order: by key.
-- Index: identity_<week>_pkey
INSERT INTO identity (generation, entry_id, fingerprint)
SELECT CASE WHEN s.generation > 0 THEN s.generation ELSE $1::integer END AS week, s.entry_id, s.fingerprint
FROM staging s
ORDER BY week, s.entry_id
ON CONFLICT DO NOTHING
