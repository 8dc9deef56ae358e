-- A rate card as entries refer to it.
-- $1 price id
-- Rows: price_id, provider, model, terms. Index: price_pkey
SELECT p.price_id, p.provider, p.model, p.terms FROM price p WHERE p.price_id = $1
