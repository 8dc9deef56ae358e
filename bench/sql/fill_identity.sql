-- Claims the identity of every entry, in the week it was booked in.
INSERT INTO identity (generation, entry_id, fingerprint)
SELECT floor(extract(epoch FROM e.ts) / 604800)::integer, e.entry_id, e.input
FROM entry e
