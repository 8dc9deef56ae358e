-- The events that the server refuses for good, with its reason: kept for people.
CREATE TABLE IF NOT EXISTS dead (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  body BLOB NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  dead_ms INTEGER NOT NULL
)
