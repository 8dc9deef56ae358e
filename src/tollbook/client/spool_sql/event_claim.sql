-- Claim the oldest events that no process is sending. :now_ms and :until_ms milliseconds since 1970, :ahead_ms the latest
-- end that a claim made now can have (one beyond it was made before the clock went back), :count rows at most.
-- Rows: seq, id, body. Relies on the primary key's order.
UPDATE event SET claimed_until_ms = :until_ms
WHERE seq IN (
  SELECT seq FROM event WHERE claimed_until_ms <= :now_ms OR claimed_until_ms > :ahead_ms ORDER BY seq LIMIT :count
)
RETURNING seq, id, body
