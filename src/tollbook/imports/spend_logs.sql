-- LiteLLM's spend logs, oldest first, as `ingest/exports/spend_logs.py` reads them. Another database than the ledger's.
-- $1 rows that began before this instant are left out
-- Rows: the columns of spend_logs.COLUMNS; numbers of dollars as text. Index: LiteLLM's own on startTime
SELECT
    request_id, call_type, spend::text AS spend, prompt_tokens, completion_tokens, "startTime", model,
    custom_llm_provider, "user", metadata::text AS metadata, cache_hit, team_id, end_user, session_id
FROM "LiteLLM_SpendLogs"
WHERE "startTime" >= $1::timestamp
ORDER BY "startTime", request_id
