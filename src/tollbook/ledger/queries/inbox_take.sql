-- Removes inbox records in the transaction that books them.
-- $1 inbox ids. Index: inbox_pkey
DELETE FROM inbox WHERE inbox_id = ANY($1::bigint[])
