-- The events that wait, in the order in which they came.
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  body BLOB NOT NULL,
  added_ms INTEGER NOT NULL
)
