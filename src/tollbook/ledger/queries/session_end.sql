-- Forgets a session.
-- $1 SHA-256 of its token
-- Rows: none. Index: web_session_pkey
DELETE FROM web_session WHERE token_hash = $1
