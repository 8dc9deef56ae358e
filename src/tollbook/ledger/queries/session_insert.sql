-- Keeps a session of a browser.
-- $1 SHA-256 of its token, $2 id of the key, $3 now, $4 when it ends
-- Rows: none. Index: web_session_pkey
INSERT INTO web_session (token_hash, key_id, began_at, ends_at) VALUES ($1, $2, $3, $4)
