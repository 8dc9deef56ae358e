-- Price books whose digest begins with a text, accepted or not.
-- $1 the text
-- Rows: digest, version, data, overrides, refused, accepted_at, accepted_by; two at most
SELECT digest, version, data, overrides, refused, accepted_at, accepted_by
FROM price_book WHERE starts_with(digest, $1) ORDER BY created_at DESC LIMIT 2
