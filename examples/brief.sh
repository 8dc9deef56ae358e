#!/usr/bin/env bash
# A token-cost ledger per sub-agent, as its brief describes it: provision a webhook, a cache and a database, let agents
# report what they used, and stop the tenant that has spent its day. Each step prints what is expected and what was found.
#
#   tollbook up --data ./ledger          # in another terminal
#   BASE=http://127.0.0.1:8787 examples/brief.sh
#
# BASE is the only thing that tells one provider from another. Needs bash, curl and python3; psql, or asyncpg for PYTHON,
# for the last step. On a provider without tollbook behind it, `tollbook source add instanode` takes the events in.
set -euo pipefail

BASE=${BASE:-http://127.0.0.1:8787}
PYTHON=${PYTHON:-python3}
TENANT=${TENANT:-acme-$RANDOM$RANDOM}
OTHER=$TENANT-frugal
STATE=${STATE:-$(mktemp -d)}
umask 077
failed=0

field() { "$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2]) or "")' "$1" "$2"; }

check() {
  printf '  expected %-28s found %s\n' "$2" "$3"
  if [ "$2" != "$3" ]; then failed=1; echo "  DIFFERENT: $1"; fi
}

# The reply is kept whole: it holds the token, the key prefix and, where there is one, the claim link.
provision() {
  if [ ! -s "$STATE/$1.json" ]; then
    curl -sS -m 120 -X POST "$BASE/$1/new" -H 'Content-Type: application/json' \
      -H "Idempotency-Key: $TENANT-$1" -d "{\"name\":\"token-cost-ledger-per-sub-agent-$1\"}" >"$STATE/$1.json"
  fi
  if [ "$(field "$STATE/$1.json" ok)" != True ]; then
    echo "$1 was not provisioned: $(field "$STATE/$1.json" error) $(field "$STATE/$1.json" message)"
    field "$STATE/$1.json" agent_action
    exit 1
  fi
}

echo "1. provision a webhook, a cache and a database"
for service in webhook cache db; do provision "$service"; done
RECEIVE=$(field "$STATE/webhook.json" receive_url)
CACHE=$(field "$STATE/cache.json" connection_url)
PREFIX=$(field "$STATE/cache.json" key_prefix)
DATABASE=$(field "$STATE/db.json" connection_url)
TOKEN=${RECEIVE##*/}
echo "  replies in $STATE"

echo "2. agents report what they used: 40 calls that add up to \$60, and 3 of less than a cent"
send() { curl -sS -m 30 -X POST "$RECEIVE" -H 'Content-Type: application/json' -d "$1" >>"$STATE/receipts"; }
: >"$STATE/receipts"
for n in $(seq 1 40); do
  send "{\"id\":\"$TENANT-$n\",\"tenant\":\"$TENANT\",\"agent\":\"planner/researcher#$n\",\"input\":200000,\"output\":20000,\"model\":\"claude-opus-4-7\"}"
done
for n in 1 2 3; do
  send "{\"id\":\"$OTHER-$n\",\"tenant\":\"$OTHER\",\"agent\":\"planner\",\"input\":100,\"output\":50,\"model\":\"claude-opus-4-7\"}"
done
check "receipts" 43 "$(grep -o '"ok":true' "$STATE/receipts" | wc -l | tr -d ' ')"

echo "3. what the webhook has received, newest first"
curl -sS -m 30 "$BASE/api/v1/webhooks/$TOKEN/requests" >"$STATE/requests.json"
read -r listed newest < <("$PYTHON" - "$STATE/requests.json" "$TENANT" <<'PY'
import json, sys
requests = json.load(open(sys.argv[1]))["requests"]
bodies = [json.loads(request["body"]) for request in requests]  # a body is text: decoded a second time
ours = [body for body in bodies if body["tenant"].startswith(sys.argv[2])]
print(len(ours), ours[0]["id"])
PY
)
check "listed" 43 "$listed"
check "the newest" "$OTHER-3" "$newest"

# One read of the cache by its own protocol, in the standard library.
get() {
  "$PYTHON" - "$CACHE" "$PREFIX$1" <<'PY'
import socket, sys
from urllib.parse import urlsplit
url, key = urlsplit(sys.argv[1]), sys.argv[2]
def command(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        out += b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode())
    stream.write(out)
    stream.flush()
    line = stream.readline().rstrip()
    if line[:1] == b"-":
        sys.exit(line.decode())
    if line[:1] != b"$":
        return line.decode()
    return "" if line == b"$-1" else stream.readline().rstrip().decode()
with socket.create_connection((url.hostname, url.port or 6379), 30) as link, link.makefile("rwb") as stream:
    if url.password:
        command("AUTH", *([url.username] if url.username else []), url.password)
    print(command("GET", key))
PY
}

today=$(date -u +%F)
echo "4. the check before each call: is the tenant throttled?"
check "$TENANT has spent its day" 1 "$(get "throttled:$TENANT" | grep -c . || true)"
check "$OTHER has not" 0 "$(get "throttled:$OTHER" | grep -c . || true)"
check "cents of $TENANT" 6000 "$(get "spend:$TENANT:$today")"
check "cents of $OTHER: 3 times 0.175" 1 "$(get "spend:$OTHER:$today")"

echo "5. the invoice: daily_spend"
QUERY="SELECT cents FROM daily_spend WHERE tenant_id = '$TENANT' AND day = '$today'"
invoice() {
  if command -v psql >/dev/null; then
    psql "$DATABASE" -At -c "$QUERY"
  else
    "$PYTHON" -c 'import asyncio, asyncpg, sys
async def run():
    link = await asyncpg.connect(sys.argv[1])
    print(await link.fetchval(sys.argv[2]) or "")
    await link.close()
asyncio.run(run())' "$DATABASE" "$QUERY"
  fi
}
cents=
for _ in $(seq 1 100); do
  cents=$(invoice)
  if [ "$cents" = 6000 ]; then break; fi
  sleep 0.1
done
check "daily_spend of $TENANT" 6000 "$cents"

expires=$(field "$STATE/webhook.json" expires_at)
claim=$(field "$STATE/webhook.json" claim_url)
if [ -n "$expires" ]; then echo "These resources expire at $expires."; fi
if [ -n "$claim" ]; then echo "To claim them, open $claim"; fi
if [ "$failed" = 0 ]; then echo "Every step is as expected."; else echo "Something differs."; exit 1; fi
