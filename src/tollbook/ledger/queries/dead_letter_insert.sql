-- Keeps one row that Postgres refused, or an identity that came again with another content.
-- $1 partition, $2 version, $3 code, $4 detail, $5 the row as a binary COPY tuple
INSERT INTO dead_letter (partition, version, code, detail, row_bytes) VALUES ($1, $2, $3, $4, $5)
