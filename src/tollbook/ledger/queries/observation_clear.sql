-- Empties the waiting place between the parts of a bisected batch.
DELETE FROM observation
