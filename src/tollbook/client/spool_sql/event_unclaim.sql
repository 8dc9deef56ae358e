-- Give a claimed event back. :seq which. Rows: none.
UPDATE event SET claimed_until_ms = 1 WHERE seq = :seq
