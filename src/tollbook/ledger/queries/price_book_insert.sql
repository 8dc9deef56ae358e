-- Names a price book by its digest; nothing is written where it is known.
-- $1 digest, $2 version, $3 cards
INSERT INTO price_book (digest, version, cards) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
