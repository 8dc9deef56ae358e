-- The events that wait. `claimed_until_ms` has eight bytes from the start, so that claiming grows no page of a full file.
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  body BLOB NOT NULL,
  added_ms INTEGER NOT NULL,
  claimed_until_ms INTEGER NOT NULL
)
