-- What people look for among entries and runs, what the gate refused, and who changed what
-- depends: 0006_prices 0007_spans 0008_sources 0009_corrections

-- migrate: apply

-- Keyed by the day first: what a batch writes lies together, and the calls of one run and day share a key.
CREATE INDEX entry_run ON entry (day, run) WHERE run IS NOT NULL;

-- Few entries are flagged or correct another; those that are, are what people look for.
CREATE INDEX entry_flagged ON entry (ts DESC, entry_id DESC) WHERE flags <> 0 OR corrects IS NOT NULL;

-- first_ts hardly ever moves, so that the update of a run's total stays HOT.
CREATE INDEX run_started ON run_total (first_ts DESC, run DESC, tenant DESC);

CREATE INDEX run_started_of ON run_total (tenant, first_ts DESC, run DESC);

-- Calls that the gate refused, counted by the UTC day; run '' and budget '' where there is none.
CREATE TABLE refusal (
    tenant        text NOT NULL,
    run           text NOT NULL,
    day           date NOT NULL,
    agent         text NOT NULL,
    model         text NOT NULL,
    verdict       text NOT NULL,
    budget        text NOT NULL,
    count         bigint NOT NULL,
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant, run, day, agent, model, verdict, budget)
) WITH (fillfactor = 70);

CREATE INDEX refusal_day ON refusal (day);

-- Who changed what: tenant '' is everyone; before and after are the rows without secrets.
CREATE TABLE admin_change (
    change_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by    text NOT NULL,
    kind          text NOT NULL,
    action        text NOT NULL,
    tenant        text NOT NULL,
    name          text NOT NULL,
    before        jsonb,
    after         jsonb
);

CREATE INDEX admin_change_of ON admin_change (tenant, change_id DESC);

CREATE INDEX admin_change_kind ON admin_change (kind, change_id DESC);

INSERT INTO admin_change (changed_at, changed_by, kind, action, tenant, name, before, after)
SELECT
    c.changed_at, c.changed_by, 'budget', CASE WHEN c.terms IS NULL THEN 'removed' ELSE 'set' END, c.tenant, c.id,
    lag(c.terms) OVER (PARTITION BY c.tenant, c.id ORDER BY c.version), c.terms
FROM budget_change c
ORDER BY c.version, c.tenant, c.id;

-- Notes a change of a row in the transaction that makes it, whoever makes it and with whatever tool. Arguments: the kind,
-- the column that names the row, the column that says who (or ''), and the columns to leave out.
-- Who is what the transaction set as tollbook.by, else the database's own user.
CREATE FUNCTION ledger_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    hidden text[] := TG_ARGV[3:];
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) - hidden END;
    is_now jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) - hidden END;
    kept jsonb := coalesce(is_now, was);
BEGIN
    IF was IS NOT DISTINCT FROM is_now THEN
        RETURN NULL;
    END IF;
    INSERT INTO admin_change (changed_by, kind, action, tenant, name, before, after)
    VALUES (
        coalesce(
            CASE WHEN TG_OP <> 'DELETE' THEN nullif(kept ->> TG_ARGV[2], '') END,
            nullif(current_setting('tollbook.by', true), ''), 'database user ' || session_user),
        TG_ARGV[0],
        CASE TG_OP WHEN 'INSERT' THEN 'made' WHEN 'DELETE' THEN 'removed' ELSE 'changed' END,
        coalesce(kept ->> 'tenant', ''), coalesce(kept ->> TG_ARGV[1], ''), was, is_now);
    RETURN NULL;
END
$$;

-- The history of budgets is kept whole beside; here each of its lines stands once more among the other changes.
CREATE FUNCTION ledger_note_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO admin_change (changed_by, kind, action, tenant, name, before, after)
    VALUES (
        NEW.changed_by, 'budget', CASE WHEN NEW.terms IS NULL THEN 'removed' ELSE 'set' END, NEW.tenant, NEW.id,
        (SELECT c.terms FROM budget_change c
         WHERE c.tenant = NEW.tenant AND c.id = NEW.id AND c.version < NEW.version ORDER BY c.version DESC LIMIT 1),
        NEW.terms);
    RETURN NULL;
END
$$;

CREATE TRIGGER noted AFTER INSERT ON budget_change
    FOR EACH ROW EXECUTE FUNCTION ledger_note_budget();

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF revoked_at, role, tenant, agent, run, expires_at ON api_key
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('key', 'key_id', '', 'secret_hash');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF revoked_at, source, tenant ON webhook_token
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('webhook', 'token_id', '', 'token_hash');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE ON tenant_zone
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('zone', 'zone', '');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF partition ON tenant
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('partition', 'partition', '', 'updated_at');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF url, tenant, kinds, disabled ON alert_hook
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('hook', 'hook_id', 'created_by', 'secret');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF name, base, token, bearer, tenant, stored_max ON source
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change(
        'source', 'name', '', 'token', 'bearer', 'lease_by', 'lease_until', 'polled_at', 'state', 'detail', 'polls',
        'requests', 'events', 'refused', 'gaps', 'gap_at');

CREATE TRIGGER noted AFTER INSERT OR DELETE OR UPDATE OF refused, accepted_at ON price_book
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('price_book', 'digest', 'accepted_by', 'data', 'overrides');

CREATE TRIGGER noted AFTER UPDATE OF ledger_epoch, partitions ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_note_change('ledger', 'ledger_epoch', '', 'config_version');

-- migrate: rollback

DROP TRIGGER noted ON ledger;
DROP TRIGGER noted ON price_book;
DROP TRIGGER noted ON source;
DROP TRIGGER noted ON alert_hook;
DROP TRIGGER noted ON tenant;
DROP TRIGGER noted ON tenant_zone;
DROP TRIGGER noted ON webhook_token;
DROP TRIGGER noted ON api_key;
DROP TRIGGER noted ON budget_change;
DROP FUNCTION ledger_note_budget();
DROP FUNCTION ledger_note_change();
DROP TABLE admin_change;
DROP TABLE refusal;
DROP INDEX run_started_of;
DROP INDEX run_started;
DROP INDEX entry_flagged;
DROP INDEX entry_run;
