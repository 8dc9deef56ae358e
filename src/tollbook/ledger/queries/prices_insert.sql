-- Keeps rate cards; a card's id is a digest of its content, so a known id needs no update.
-- $1 ids, $2 providers, $3 models, $4 terms as JSON text, all of one length
INSERT INTO price (price_id, provider, model, terms)
SELECT c.price_id, c.provider, c.model, c.terms::jsonb
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS c (price_id, provider, model, terms)
ON CONFLICT DO NOTHING
