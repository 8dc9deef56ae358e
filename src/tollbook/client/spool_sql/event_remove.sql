-- Remove an event that an answer says is accepted. :seq which. Rows: none.
DELETE FROM event WHERE seq = :seq
