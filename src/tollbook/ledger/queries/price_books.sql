-- The price books that were kept, the one in force first, then the newest first.
-- $1 books at most
-- Rows: digest, version, cards, overrides, refused, accepted_at, accepted_by, created_at. Index: none, there are few
SELECT b.digest, b.version, b.cards, b.overrides, b.refused, b.accepted_at, b.accepted_by, b.created_at
FROM price_book b
ORDER BY b.accepted_at DESC NULLS LAST, b.created_at DESC
LIMIT $1
