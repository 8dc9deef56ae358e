"""Rows as the real packages write them where they keep calls, for the importers: `tests/unit/ingest/exports/rows`.

`python -m tests.integration.sources.exporting NAME` in the environment of `make test-integrations` prints them;
LiteLLM's builder of rows also needs what its proxy needs.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from tests.integration.sources import answers
from tests.integration.sources.sink import running_sink


def litellm() -> list[dict[str, Any]]:
    """litellm: the row that its proxy writes into `LiteLLM_SpendLogs` of a call that went to a provider."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as package
    from litellm.integrations.custom_logger import CustomLogger

    logged: list[tuple[Any, ...]] = []

    async def run(url: str) -> None:
        heard = asyncio.Event()

        class Logger(CustomLogger):  # type: ignore[misc]
            async def async_log_success_event(
                self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
            ) -> None:
                logged.append((kwargs, response_obj, start_time, end_time))
                heard.set()

        package.callbacks = [Logger()]
        metadata = {"session_id": "s-1", "user_api_key_team_id": "acme", "user_api_key_end_user_id": "planner"}
        asked: Any = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "do"}], "api_key": "k"}
        await package.acompletion(**asked, api_base=f"{url}/v1", metadata=metadata)
        await asyncio.wait_for(heard.wait(), 20)
        await package.close_litellm_async_clients()

    with running_sink() as sink:
        sink.answers = {"/chat/completions": answers.OPENAI_CHAT}
        asyncio.run(run(sink.url))
    # The builder asks the whole server, with its scheduler and database, for these two settings alone.
    server: Any = ModuleType("litellm.proxy.proxy_server")
    server.general_settings, server.master_key = {}, None
    sys.modules[server.__name__] = server
    from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload

    kwargs, response, began, ended = logged[0]
    row = get_logging_payload(kwargs=kwargs, response_obj=response, start_time=began, end_time=ended)
    # The instants are those of this run.
    at = "2026-11-10 00:00:00.500000+00:00"
    return [{**row, "startTime": at, "endTime": at, "completionStartTime": at}]


def openmeter() -> list[dict[str, Any]]:
    """openmeter: an event as its list route gives it back, in the client's own types."""
    from openmeter.models import Event, IngestedEvent

    at = datetime(2026, 11, 10, tzinfo=UTC)
    data = {"tokens": "123", "type": "output", "model": "gpt-4o"}
    event = Event(id="om-1", source="my-app", specversion="1.0", type="tokens", subject="acme", time=at, data=data)
    return [IngestedEvent(event=event, ingested_at=at, stored_at=at).as_dict()]


def langfuse() -> list[dict[str, Any]]:
    """langfuse: observations as its list route gives them back, in the client's own types."""
    from langfuse.api import ObservationV2

    at = datetime(2026, 11, 10, tzinfo=UTC)
    common: Any = {"start_time": at, "project_id": "p", "trace_id": "trace-1", "user_id": "acme", "session_id": "s-1"}
    call = ObservationV2(
        id="o-1",
        type="GENERATION",
        model="gpt-5.5",
        usage_details={
            "input": 80,
            "input_cached_tokens": 40,
            "output": 35,
            "output_reasoning_tokens": 25,
            "total": 180,
        },
        cost_details={"input": 0.001, "output": 0.002, "total": 0.003},
        **common,
    )
    agent = ObservationV2(id="o-0", type="AGENT", usage_details={"input": 80, "output": 35, "total": 115}, **common)
    return [json.loads(one.json()) for one in (call, agent)]


KINDS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "litellm": litellm,
    "openmeter": openmeter,
    "langfuse": langfuse,
}

if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](), default=str))
