-- Which price book is in force, and what it was compiled from
-- depends: 0005_keys_by_time

-- migrate: apply

-- data: the release's prices, compressed; null where a version before this one kept the book. overrides: prices.toml.
-- The book accepted last is in force. refused: what moved too far, of a book that waits to be accepted.
ALTER TABLE price_book
    ADD COLUMN data bytea,
    ADD COLUMN overrides text NOT NULL DEFAULT '',
    ADD COLUMN refused text,
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN accepted_by text;

CREATE INDEX price_book_accepted ON price_book (accepted_at DESC) WHERE accepted_at IS NOT NULL;

-- migrate: rollback

DROP INDEX price_book_accepted;

ALTER TABLE price_book
    DROP COLUMN accepted_by,
    DROP COLUMN accepted_at,
    DROP COLUMN refused,
    DROP COLUMN overrides,
    DROP COLUMN data;
