-- Claims the identities of the batch as if none were known: fails where one is. Where one stands twice, perhaps under two
-- generations, fewer are claimed than rows are staged.
-- $1 generation for ids without a time: the week of this transaction
-- Rows: none; the status tells how many were claimed. Lock order: by key, which is also the order of the index.
-- Index: identity_<week>_pkey
INSERT INTO identity (generation, entry_id, fingerprint, ts)
SELECT DISTINCT ON (s.entry_id)
    CASE WHEN s.generation > 0 THEN s.generation ELSE $1::integer END, s.entry_id, s.fingerprint, s.ts
FROM staging s
ORDER BY s.entry_id
