-- The landing place of spans some of which are there already, on this connection; emptied by the server at each commit.
CREATE TEMP TABLE IF NOT EXISTS span_given (LIKE span) ON COMMIT DELETE ROWS
