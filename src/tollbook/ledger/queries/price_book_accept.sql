-- Puts a price book in force; nothing where no such book was kept.
-- $1 digest, $2 the instant, $3 who; returns the digest
UPDATE price_book SET accepted_at = greatest($2, (SELECT max(accepted_at) + interval '1 microsecond' FROM price_book)),
    accepted_by = $3, refused = NULL
WHERE digest = $1
RETURNING digest
