-- The key that a session was opened with, unless the session has ended.
-- $1 SHA-256 of its token, $2 now
-- Rows: key_id. Index: web_session_pkey
SELECT key_id FROM web_session WHERE token_hash = $1 AND ends_at > $2
