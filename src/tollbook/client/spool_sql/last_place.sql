-- The place of the newest event that waits. Rows: one of seq, null where none waits.
SELECT max(seq) AS seq FROM event
