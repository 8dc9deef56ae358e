-- Forgets sessions that have ended.
-- $1 now
-- Rows: none. Index: web_session_ends
DELETE FROM web_session WHERE ends_at <= $1
