"""What the connected stores guarantee, said in the words an operator needs."""

from typing import NamedTuple

from tollbook.app.durability import ValkeyFacts, ack_for, ask_valkey
from tollbook.app.prices import candidate_of, read_text, release_of
from tollbook.app.wiring import World, ceiling_of
from tollbook.domain.errors import ConfigError, StoreError


class Finding(NamedTuple):
    """One thing found out. `wrong` marks what should be put right."""

    subject: str
    text: str
    wrong: bool = False

    @property
    def mark(self) -> str:
        """A word to stand before it."""
        return "WRONG" if self.wrong else "ok   "


async def examine(world: World) -> list[Finding]:
    """Look at both stores and at what they mean for `ack`."""
    return [*await _postgres(world), *await _valkey(world), *await _prices(world)]


async def _postgres(world: World) -> list[Finding]:
    try:
        facts = await world.config.server_facts()
    except StoreError as trouble:
        return [Finding("Postgres", str(trouble), wrong=True)]
    durable = facts.synchronous_commit != "off" and facts.fsync == "on"
    findings = [Finding("Postgres", f"version {facts.version}, {facts.partitions} partitions")]
    if durable:
        findings.append(Finding("Postgres", "a committed transaction survives a power cut; `ack=ledger` rests on it"))
    else:
        findings.append(
            Finding(
                "Postgres",
                f"fsync is {facts.fsync}, synchronous_commit is {facts.synchronous_commit}: a committed transaction "
                "can be lost, and then the counters are ahead of the ledger; set both to on",
                wrong=True,
            )
        )
    if facts.in_recovery:
        findings.append(Finding("Postgres", "this is a standby: it takes no writes", wrong=True))
    return findings


async def _prices(world: World) -> list[Finding]:
    path = world.settings.prices_path()
    try:
        installed = candidate_of(read_text(path), ceiling_of(world.settings))
    except ConfigError as error:
        return [Finding("prices", str(error), wrong=True)]
    try:
        last = await world.prices.in_force()
        since = await world.prices.data_since(release_of(installed.kept.version))
    except StoreError as trouble:
        return [Finding("prices", str(trouble), wrong=True)]
    age = "" if since is None else f", seen here for {(world.clock.now() - since).days} days"
    own = "no TOLLBOOK_PRICES_FILE" if path is None else str(path)
    findings = [Finding("prices", f"{installed.kept.version}, {len(installed.book)} rate cards{age}; {own}")]
    if last is not None and last.digest != installed.book.digest:
        findings.append(
            Finding(
                "prices",
                f"in force is another book, {last.version} ({last.digest[:8]}): a receiver judges this one when it "
                "starts or its file changes; where it waits, see `tollbook price diff` and `tollbook price accept`",
                wrong=(await _waits(world, installed.book.digest)),
            )
        )
    return findings


async def _waits(world: World, digest: str) -> bool:
    return any(book.refused is not None for book in await world.prices.named(digest))


async def _valkey(world: World) -> list[Finding]:
    facts = await ask_valkey(world.store)
    try:
        await world.journal.now_ms(0)
    except StoreError as trouble:
        return [Finding("Valkey", str(trouble), wrong=True)]
    ack = await ack_for(world.settings, world.store)
    findings = [Finding("Valkey", f"version {facts.version or 'not told'}"), _eviction(facts), _log(facts)]
    findings.append(
        Finding(
            "ack",
            f"the default here is `{ack}` (TOLLBOOK_ACK={world.settings.ack}). `journal` survives what this Valkey "
            "survives; `ledger` survives whatever Postgres survives",
        )
    )
    findings.append(_failover(facts))
    return findings


def _eviction(facts: ValkeyFacts) -> Finding:
    if facts.eviction is None:
        return Finding("Valkey", "does not tell its eviction policy (no @admin); taken as one that evicts")
    if facts.eviction == "noeviction":
        return Finding("Valkey", "evicts nothing: when memory is full, records go to Postgres's inbox")
    return Finding(
        "Valkey",
        f"maxmemory-policy is {facts.eviction}: it may evict counters and undrained records; set noeviction",
        wrong=True,
    )


def _log(facts: ValkeyFacts) -> Finding:
    if facts.append_only is None:
        return Finding("Valkey", "does not tell whether it keeps an append-only file; taken as keeping nothing")
    if facts.survives_power_cut:
        return Finding("Valkey", "every acknowledged record is on disk (appendonly yes, appendfsync always)")
    if facts.survives_restart:
        return Finding("Valkey", f"survives a crash; a power cut may lose the last second (fsync {facts.append_fsync})")
    return Finding("Valkey", "keeps nothing over a restart (appendonly no): what `ack=journal` took is lost")


def _failover(facts: ValkeyFacts) -> Finding:
    if facts.replicas is None:
        return Finding("failover", "replicas are not told; an acknowledged record may be lost in a failover")
    if facts.replicas == 0:
        return Finding("failover", "a single node: there is no failover that could lose an acknowledged record")
    return Finding("failover", f"{facts.replicas} replicas, not waited for: a failover may lose acknowledged records")
