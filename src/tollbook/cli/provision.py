"""`tollbook provision`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tollbook.app.config import Settings
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.sources.instanode import BASE
from tollbook.sources.provisioning import Provisioner, Resource, Stack

app = typer.Typer(help="Stores and a webhook from a provider.", no_args_is_help=True)

_NAME = "token-cost-ledger"


@app.command(epilog=examples("tollbook provision instanode", "tollbook provision instanode --name shop --json"))
def instanode(
    name: Annotated[str, typer.Option(help="What the resources are called; -webhook, -cache and -db follow.")] = _NAME,
    base: Annotated[str, typer.Option(help="Where the API is.")] = BASE,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the replies are kept.", show_default="in the data directory")
    ] = None,
    bearer: Annotated[
        str | None, typer.Option(help="The team's token; without one the resources last a day.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Obtain a webhook, a cache and a database, once: run it again to see them again."""
    folder = directory or Settings.from_environment().data_path() / "instanode"
    stack = Provisioner(folder, base, bearer=bearer).run(name)
    document = {
        "folder": str(stack.folder),
        "webhook": stack.webhook.receive_url,
        "settings": {name: value for name, value in settings_of(stack).items() if value},
        "expires_at": min((each.expires_at for _, each in _all(stack) if each.expires_at), default=None),
        "remarks": [*(f"{service}: {each.note}" for service, each in _noted(stack)), *stack.remarks],
    }
    answer(as_json, document, describe(stack, base))


def settings_of(stack: Stack) -> dict[str, str | None]:
    """The settings that run tollbook on the stores."""
    return {
        "TOLLBOOK_POSTGRES_URL": stack.db.connection_url,
        "TOLLBOOK_VALKEY_URL": stack.cache.connection_url,
        "TOLLBOOK_VALKEY_KEY_PREFIX": stack.key_prefix,
        # Two connections are all there are: one for the receiver, one for the drain, none for claims.
        "TOLLBOOK_POSTGRES_CONNECTIONS_MAX": "1",
        "TOLLBOOK_DRAIN_CLAIMS": "none",
        "TOLLBOOK_POSTGRES_SIZE_WARN_MB": "9",
    }


def describe(stack: Stack, base: str) -> str:
    """What a person wants to know, and the settings that run tollbook on it."""
    lines = [f"The replies are in {stack.folder}, readable by you alone."]
    lines += [f"{service}: {resource.note}" for service, resource in _noted(stack)]
    lines += stack.remarks
    ends = sorted({resource.expires_at for _, resource in _all(stack) if resource.expires_at})
    if ends:
        lines.append(f"They expire at {ends[0]}. Claiming moves them to your team; only a paid plan keeps them.")
    claims = [resource.claim_url for _, resource in _all(stack) if resource.claim_url]
    if claims:
        lines.append(f"To claim all of them, open {claims[-1]}")
    settings = settings_of(stack)
    token = stack.webhook.token or stack.webhook.receive_url.rpartition("/")[2]
    return "\n".join([
        *lines,
        "",
        "To run tollbook on them, stop nothing else from using the two connections, and:",
        *(f"  export {setting}={shlex.quote(value)}" for setting, value in settings.items() if value),
        "  tollbook migrate && tollbook drain & tollbook serve",
        "",
        "To take in what the webhook receives, into these stores or others:",
        f"  tollbook source add instanode --webhook-token {token} --base {base}",
    ])  # fmt: skip


def _all(stack: Stack) -> list[tuple[str, Resource]]:
    return [("webhook", stack.webhook), ("cache", stack.cache), ("db", stack.db)]


def _noted(stack: Stack) -> list[tuple[str, Resource]]:
    return [(service, resource) for service, resource in _all(stack) if resource.note]
