-- Forgets groups of which nothing was seen for as long as identities are kept.
-- $1 oldest week to keep
-- Index: observed_group_week
DELETE FROM observed_group WHERE week < $1
