-- How the spool stands. Rows: one of waiting, oldest_ms (milliseconds since 1970, null where none waits), dead.
SELECT
  (SELECT count(*) FROM event) AS waiting,
  (SELECT added_ms FROM event ORDER BY seq LIMIT 1) AS oldest_ms,
  (SELECT count(*) FROM dead) AS dead
