-- Where observations of calls that the ledger knows wait for their judgement; columns as in staging.
-- Emptied by the server at each commit.
CREATE TEMP TABLE IF NOT EXISTS observation (LIKE staging INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
