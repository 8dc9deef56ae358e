"""Tells a provider's client by its class, and has the right integration wrap it."""

import inspect
from typing import Any, TypeVar

from tollbook.client.client import AsyncClient, Client
from tollbook.client.integrations.gemini import wrap_gemini
from tollbook.client.integrations.stainless import wrap_async, wrap_sync
from tollbook.domain.errors import ConfigError

T = TypeVar("T")


def wrap(client: T, ledger: Client | AsyncClient | None = None) -> T:
    """Have a provider's client ask the gate before each call and report after it; the same client comes back.

    Takes the clients of `openai` (chat completions, responses, embeddings, legacy completions), `anthropic` (messages)
    and `google-genai` (generate_content, embed_content), blocking and asynchronous, with their streams, helpers and raw
    responses, and other SDKs generated as OpenAI's is. Calls then raise `BudgetExceeded` before anything is sent.
    Where a call names no maximum of output tokens, the provider is asked for what was granted; where the gate names a
    cheaper model, that one is called. A stream that is cut short is recorded as an estimate, tagged `estimated=true`.

    Without a ledger a new one is made from the environment (`TOLLBOOK_URL`, …). Wrapping twice changes nothing. Raises
    `ConfigError` for what is no client that is known here.

    >>> from openai import OpenAI
    >>> openai = tollbook.wrap(OpenAI(), tollbook.Client())
    """
    home = type(client).__module__
    gemini = home.startswith("google.genai")
    if not gemini and not _is_stainless(client):
        raise ConfigError(f"wrap() knows no client like {home}.{type(client).__qualname__}")
    known = ledger or Client()
    blocking = known if isinstance(known, Client) else Client.beside(known)
    asynchronous = known if isinstance(known, AsyncClient) else AsyncClient.beside(known)
    if gemini:
        wrap_gemini(client, blocking, asynchronous)
    elif inspect.iscoroutinefunction(type(client).request):  # type: ignore[attr-defined]
        wrap_async(client, asynchronous)
    else:
        wrap_sync(client, blocking)
    return client


def _is_stainless(client: Any) -> bool:
    return all(callable(getattr(client, name, None)) for name in ("request", "copy", "post"))
