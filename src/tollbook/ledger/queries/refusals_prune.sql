-- Forgets what was refused before a day.
-- $1 UTC day
-- Index: refusal_day
DELETE FROM refusal WHERE day < $1
