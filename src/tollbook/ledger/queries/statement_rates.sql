-- Rate cards by their ids.
-- $1 ids
-- Rows: price_id, provider, model, terms (JSON text). Index: price_pkey
SELECT p.price_id, p.provider, p.model, p.terms::text AS terms
FROM price p
WHERE p.price_id = ANY($1::bigint[])
ORDER BY p.provider, p.model, p.price_id
