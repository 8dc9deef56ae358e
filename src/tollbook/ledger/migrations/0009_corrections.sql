-- Observations of one call by several sources, and the entries that correct one another
-- depends: 0005_keys_by_time

-- migrate: apply

-- When the first entry of the identity took place: where it stands. Null for what was booked before this migration.
ALTER TABLE identity ADD COLUMN ts timestamptz;

-- standing: how much the observation knew (domain/observation.py), null for an unobserved event. calls: 1, or -1 for a
-- reversal. corrects: the call's identity; nth: which correction of it. learned: the standings of the observations that
-- agent, run, hold and tags were taken from. context: what the price depended on beside the service tier.
ALTER TABLE entry
    ADD COLUMN standing integer,
    ADD COLUMN calls smallint NOT NULL DEFAULT 1,
    ADD COLUMN nth smallint,
    ADD COLUMN learned integer[],
    ADD COLUMN units jsonb,
    ADD COLUMN context jsonb;

CREATE INDEX entry_corrects ON entry (corrects, nth) WHERE corrects IS NOT NULL;

-- What was seen of a group: a row of the zero id where a call was seen for itself, and one for each aggregate and metric.
CREATE TABLE observed_group (
    group_key     uuid NOT NULL,
    entry_id      uuid NOT NULL,
    level         smallint NOT NULL,
    week          integer NOT NULL,
    PRIMARY KEY (group_key, entry_id)
);

CREATE INDEX observed_group_week ON observed_group (week);

-- The id of a correcting entry, from what it corrects alone: written twice it would be the same one.
CREATE FUNCTION ledger_correction_id(call uuid, nth integer, kind text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(substr(sha256(convert_to(call::text || ':' || nth || ':' || kind, 'UTF8')), 1, 16), 'hex')::uuid
$$;

-- Extra units with every sign turned.
CREATE FUNCTION ledger_negated(units jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(u.key, -(u.value::bigint)) FROM jsonb_each_text(units) u
$$;

-- The standings with which an observation knows agent, run, hold and tags, 0 for what it does not know. What repeats other
-- calls knows none of them.
CREATE FUNCTION ledger_knows(standing integer, agent text, run text, hold text, tags jsonb) RETURNS integer[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[
        CASE WHEN standing >> 24 >= 3 AND agent <> 'unknown' THEN standing ELSE 0 END,
        CASE WHEN standing >> 24 >= 3 AND run IS NOT NULL THEN standing ELSE 0 END,
        CASE WHEN standing >> 24 >= 3 AND hold IS NOT NULL THEN standing ELSE 0 END,
        CASE WHEN standing >> 24 >= 3 AND tags IS NOT NULL THEN standing ELSE 0 END
    ]
$$;

-- migrate: rollback

DROP FUNCTION ledger_knows(integer, text, text, text, jsonb);
DROP FUNCTION ledger_negated(jsonb);
DROP FUNCTION ledger_correction_id(uuid, integer, text);
DROP TABLE observed_group;
DROP INDEX entry_corrects;
ALTER TABLE entry DROP COLUMN standing, DROP COLUMN calls, DROP COLUMN nth, DROP COLUMN learned, DROP COLUMN units, DROP COLUMN context;
ALTER TABLE identity DROP COLUMN ts;
