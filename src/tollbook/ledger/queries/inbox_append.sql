-- Keeps a record in Postgres while Valkey is away.
-- $1 partition, $2 nonce, $3 events, $4 rows as binary COPY tuples
INSERT INTO inbox (partition, nonce, events, row_bytes) VALUES ($1, $2, $3, $4)
