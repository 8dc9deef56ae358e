-- The price book accepted last, by price_book_accepted; no row before the first.
-- Rows: digest, version, data, overrides, refused, accepted_at, accepted_by
SELECT digest, version, data, overrides, refused, accepted_at, accepted_by
FROM price_book WHERE accepted_at IS NOT NULL ORDER BY accepted_at DESC LIMIT 1
