-- Keep a refused event. :seq and :id which, :body its JSON, :code and :detail why, :dead_ms milliseconds since 1970. Rows: none.
INSERT OR REPLACE INTO dead (seq, id, body, code, detail, dead_ms) VALUES (:seq, :id, :body, :code, :detail, :dead_ms)
