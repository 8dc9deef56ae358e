"""The scope across processes: tollbook's own headers, and a member of the W3C baggage header.

Nothing here happens by itself: headers are written only where a caller asks for it, so that no provider is told who
runs. Baggage is https://www.w3.org/TR/baggage/: 8,192 bytes and 180 members at most, values percent-encoded.
"""

from collections.abc import Mapping, MutableMapping
from urllib.parse import quote, unquote

from tollbook.client.scope import Scope
from tollbook.domain.agent import fault

AGENT_HEADER = "x-tollbook-agent"
RUN_HEADER = "x-tollbook-run"
TENANT_HEADER = "x-tollbook-tenant"
BAGGAGE_HEADER = "baggage"
HEADERS = (AGENT_HEADER, RUN_HEADER, TENANT_HEADER)

_MEMBERS = {"agent": "tollbook.agent", "run": "tollbook.run", "tenant": "tollbook.tenant"}
_TAG_PREFIX = "tollbook.tag."
_BAGGAGE_BYTES_MAX = 8_192
_BAGGAGE_MEMBERS_MAX = 180
_SAFE = "/#:@!$*+-._~"
"""Characters that stay as they are in a baggage value; `,`, `;`, `=` and `%` must not."""


def inject(headers: MutableMapping[str, str], scope: Scope) -> None:
    """Write the scope into the headers of a request to another part of the fleet.

    Members of a `baggage` header that others wrote stay. Tags that no longer fit are left out; agent, run and tenant
    are in headers of their own as well.
    """
    named = {"agent": scope.agent or None, "run": scope.run, "tenant": scope.tenant}
    strip(headers)
    for name, header in zip(named, HEADERS, strict=True):
        value = named[name]
        if value is not None:
            headers[header] = quote(value, safe=_SAFE + " ")
    members = [member for member in _found(headers, BAGGAGE_HEADER).split(",") if member.strip()]
    own = [f"{_MEMBERS[name]}={quote(value, safe=_SAFE)}" for name, value in named.items() if value is not None]
    tags = scope.tags or {}
    own += [f"{_TAG_PREFIX}{quote(key, safe='')}={quote(value, safe=_SAFE)}" for key, value in tags.items()]
    for member in own:
        line = ",".join([*members, member])
        if len(members) < _BAGGAGE_MEMBERS_MAX and len(line) <= _BAGGAGE_BYTES_MAX:
            members.append(member)
    if members:
        headers[BAGGAGE_HEADER] = ",".join(members)


def extract(headers: Mapping[str, str]) -> Scope | None:
    """The scope that another process injected, or None where there is none.

    Names of headers may be in any case. Own headers win over baggage. A name that is no agent's counts as absent.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    baggage: dict[str, str] = {}
    for member in lower.get(BAGGAGE_HEADER, "").split(","):
        name, equals, rest = member.partition("=")
        if equals:
            baggage[name.strip()] = unquote(rest.partition(";")[0].strip())
    tags = {unquote(name[len(_TAG_PREFIX) :]): value for name, value in baggage.items() if name.startswith(_TAG_PREFIX)}
    own = {
        name: unquote(lower[header]) if header in lower else baggage.get(_MEMBERS[name])
        for name, header in zip(_MEMBERS, HEADERS, strict=True)
    }
    agent = own["agent"] or ""
    if agent and fault(agent) is not None:
        agent = ""
    if not agent and own["run"] is None:
        return None
    return Scope(agent=agent, run=own["run"], tenant=own["tenant"], tags=tags or None)


def strip(headers: MutableMapping[str, str]) -> None:
    """Take out everything that `inject` writes, before headers are handed on to a provider."""
    for name in [name for name in headers if name.lower() in HEADERS]:
        del headers[name]
    for name in [name for name in headers if name.lower() == BAGGAGE_HEADER]:
        kept = [m for m in headers[name].split(",") if m.strip() and not m.strip().startswith("tollbook.")]
        del headers[name]
        if kept:
            headers[BAGGAGE_HEADER] = ",".join(kept)


def _found(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")
