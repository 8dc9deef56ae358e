-- Names a price book by its digest, with what it is compiled from; a known book only gets what it lacks.
-- $1 digest, $2 version, $3 cards, $4 data (null: unknown), $5 overrides; returns whether it is new
INSERT INTO price_book AS known (digest, version, cards, data, overrides) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (digest) DO UPDATE SET data = coalesce(known.data, EXCLUDED.data),
    overrides = CASE WHEN known.data IS NULL THEN EXCLUDED.overrides ELSE known.overrides END
RETURNING known.xmax = 0 AS is_new
