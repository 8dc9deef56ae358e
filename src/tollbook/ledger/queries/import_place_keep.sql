-- Remembers how far a file is imported.
-- $1 name, $2 bytes or rows, $3 digest, $4 now
INSERT INTO import_place (name, done, digest, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET done = excluded.done, digest = excluded.digest, updated_at = excluded.updated_at
