-- Add an event. :id its id, :body its JSON, :added_ms milliseconds since 1970. Rows: none.
INSERT INTO event (id, body, added_ms) VALUES (:id, :body, :added_ms)
