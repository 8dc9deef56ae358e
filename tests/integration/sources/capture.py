"""Drives the real packages and keeps what they make of a call: the payloads of `tests/payloads`.

`python -m tests.integration.sources.capture` in the environment of `make test-integrations` writes them anew.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.integration.sources import answers
from tests.integration.sources.sink import Post, Sink, running_sink

FOLDER = Path(__file__).parents[2] / "payloads"
Captured = dict[str, Any]


def _kept(package: str, path: str, body: str, media_type: str = "application/json", **headers: str) -> Captured:
    return {"package": package, "version": version(package), "path": path, "media_type": media_type,
            "headers": headers, "body": body}  # fmt: skip


def openai(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """openai: chat whole and streamed, Responses, embeddings, images, transcriptions, realtime."""
    from openai import OpenAI
    from openai.types.realtime import ResponseDoneEvent

    path = "/v1/usage/openai"
    client = OpenAI(base_url=f"{sink.url}/v1", api_key="k", max_retries=0)
    asked: Any = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "do"}]}
    sink.answers = {"/chat/completions": answers.OPENAI_CHAT}
    yield "openai_chat", _kept("openai", path, client.chat.completions.create(**asked).to_json())
    sink.answers = {"/chat/completions": answers.OPENAI_CHUNKS}
    chunks = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    lines = "\n".join(json.dumps(chunk.to_dict()) for chunk in chunks)
    yield "openai_chat_chunks", _kept("openai", path, lines, "application/x-ndjson")
    raw = client.chat.completions.with_raw_response.create(**asked, stream=True)
    yield "openai_chat_sse", _kept("openai", path, raw.http_response.read().decode(), "text/event-stream")
    sink.answers = {"/responses": answers.OPENAI_RESPONSE}
    yield "openai_responses", _kept("openai", path, client.responses.create(model="gpt-5.5", input="do").to_json())
    sink.answers = {"/embeddings": answers.OPENAI_EMBEDDINGS}
    vectors = client.embeddings.create(model="text-embedding-3-small", input="do", encoding_format="float")
    yield "openai_embeddings", _kept("openai", path, vectors.to_json())
    sink.answers = {"/images/generations": answers.OPENAI_IMAGES}
    images = client.images.generate(model="gpt-image-1", prompt="do")
    yield "openai_images", _kept("openai", path, images.to_json(), **{"x-tollbook-model": "gpt-image-1"})
    for name, answer, model in (
        ("openai_transcription", answers.OPENAI_TRANSCRIPTION, "whisper-1"),
        ("openai_transcription_tokens", answers.OPENAI_TRANSCRIPTION_TOKENS, "gpt-4o-transcribe"),
    ):
        sink.answers = {"/audio/transcriptions": answer}
        said = client.audio.transcriptions.create(model=model, file=("a.wav", io.BytesIO(b"RIFF")))
        yield name, _kept("openai", path, said.to_json(), **{"x-tollbook-model": model})
    done = ResponseDoneEvent.model_validate(answers.OPENAI_REALTIME)
    yield "openai_realtime", _kept("openai", path, done.to_json(), **{"x-tollbook-model": "gpt-realtime"})
    for provider, answer in (
        ("deepseek", answers.DEEPSEEK),
        ("xai", answers.XAI),
        ("openrouter", answers.OPENROUTER),
        ("groq", answers.GROQ),
    ):
        # Their own clients are openai's, or answer alike.
        sink.answers = {"/chat/completions": answer}
        yield provider, _kept("openai", f"/v1/usage/{provider}", client.chat.completions.create(**asked).to_json())


def anthropic(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """anthropic: messages whole and streamed, and with iterations."""
    from anthropic import Anthropic

    path = "/v1/usage/anthropic"
    client = Anthropic(base_url=sink.url, api_key="k", max_retries=0)
    asked: Any = {"model": "claude-opus-4-7", "max_tokens": 9, "messages": [{"role": "user", "content": "do"}]}
    sink.answers = {"/messages": answers.ANTHROPIC}
    yield "anthropic", _kept("anthropic", path, client.messages.create(**asked).to_json())
    sink.answers = {"/messages": answers.ANTHROPIC_ITERATIONS}
    yield "anthropic_iterations", _kept("anthropic", path, client.beta.messages.create(**asked).to_json())
    sink.answers = {"/messages": answers.ANTHROPIC_EVENTS}
    events = list(client.messages.create(**asked, stream=True))
    dumped = json.dumps([event.to_dict() for event in events])
    yield "anthropic_events", _kept("anthropic", path, dumped)


def google(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """google-genai: generate_content whole and streamed, an interaction."""
    from google import genai

    path = "/v1/usage/gemini"
    options = genai.types.HttpOptions(base_url=sink.url)
    client = genai.Client(api_key="k", http_options=options)
    sink.answers = {":generateContent": answers.GEMINI, ":streamGenerateContent": answers.GEMINI_CHUNKS}
    whole = client.models.generate_content(model="gemini-3-pro", contents="do")
    yield "gemini", _kept("google-genai", path, whole.model_dump_json(by_alias=True, exclude_none=True))
    yield "gemini_snake", _kept("google-genai", path, whole.model_dump_json())
    chunks = client.models.generate_content_stream(model="gemini-3-pro", contents="do")
    dumped = [chunk.model_dump(mode="json", by_alias=True, exclude_none=True) for chunk in chunks]
    yield "gemini_chunks", _kept("google-genai", path, json.dumps(dumped))
    sink.answers = {"/interactions": answers.GEMINI_INTERACTION}
    interaction = client.interactions.create(model="gemini-3-pro", input="do")
    dumped_one = interaction.model_dump(mode="json", exclude_none=True)
    yield "gemini_interaction", _kept("google-genai", path, json.dumps(dumped_one))


def mistral(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """mistralai: chat and OCR."""
    from mistralai.client import Mistral

    client = Mistral(api_key="k", server_url=sink.url)
    sink.answers = {"/chat/completions": answers.MISTRAL, "/ocr": answers.MISTRAL_OCR}
    said = client.chat.complete(model="mistral-large-latest", messages=[{"role": "user", "content": "do"}])
    yield "mistral", _kept("mistralai", "/v1/usage/mistral", said.model_dump_json())
    read = client.ocr.process(
        model="mistral-ocr-latest", document={"type": "document_url", "document_url": "https://example.org/a.pdf"}
    )
    yield "mistral_ocr", _kept("mistralai", "/v1/usage/mistral", read.model_dump_json())


def bedrock(_: Sink) -> Iterator[tuple[str, Captured]]:
    """boto3: Converse by the stubber; the answer names no model."""
    import boto3
    from botocore.stub import Stubber

    client = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    model = "anthropic.claude-opus-4-7-v1:0"
    asked: Any = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "do"}]}]}
    with Stubber(client) as stubber:
        response = {**answers.BEDROCK, "ResponseMetadata": {"RequestId": "5b6c0d9e-aaaa-4f0f-8f6e-1c2d3e4f5a6b"}}
        stubber.add_response("converse", response, asked)
        made = client.converse(**asked)
    yield "bedrock", _kept("boto3", "/v1/usage/bedrock", json.dumps(made), **{"x-tollbook-model": model})


def litellm(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """litellm: its generic_api callback in three formats, a failure and a cached answer among them."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger

    sink.answers = {"/chat/completions": answers.OPENAI_CHAT}

    async def run(form: str) -> Post:
        headers = {"Authorization": "Bearer k"}
        logger = GenericAPILogger(endpoint=f"{sink.url}/v1/litellm", headers=headers, log_format=form)
        litellm.callbacks = [logger]
        asked: Any = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "do"}], "api_key": "k"}
        metadata = {
            "trace_id": "trace-1",
            "session_id": "session-1",
            "spend_logs_metadata": {"agent": "planner/researcher"},
            "user_api_key_team_alias": "acme",
        }
        sent = asyncio.Semaphore(0)
        taken = logger.async_log_success_event

        async def told(*args: Any, **named: Any) -> None:
            await taken(*args, **named)
            sent.release()

        logger.async_log_success_event = told
        for _ in range(2):
            await litellm.acompletion(**asked, api_base=f"{sink.url}/v1", metadata=metadata)
            await asyncio.wait_for(sent.acquire(), 20)
        await logger.async_send_batch()
        litellm.callbacks = []
        return await asyncio.to_thread(sink.posts.get, timeout=20)

    async def run_all() -> dict[str, Post]:
        # One loop: LiteLLM's background work stays on the first that it sees.
        found = {form: await run(form) for form in ("json_array", "ndjson", "single")}
        await litellm.close_litellm_async_clients()
        return found

    for form, post in asyncio.run(run_all()).items():
        yield f"litellm_{form}", _kept("litellm", post.path, post.body.decode(), post.headers["content-type"])


def cloudevents(_: Sink) -> Iterator[tuple[str, Captured]]:
    """cloudevents: structured and binary; a batch is an array of structured ones."""
    from cloudevents.conversion import to_binary, to_structured
    from cloudevents.http import CloudEvent

    data = {"tenant": "acme", "agent": "planner", "model": "gpt-4o", "input": 9, "output": 2, "cost_usd": "0.01"}
    attributes = {
        "id": "ce-1",
        "source": "/fleet/planner",
        "type": "tollbook.event",
        "time": "2026-11-28T00:00:00Z",
        "subject": "planner",
    }
    headers, body = to_structured(CloudEvent(attributes, data))
    path = "/v1/events"
    yield "cloudevents_structured", _kept("cloudevents", path, body.decode(), headers["content-type"])
    second = to_structured(CloudEvent({**attributes, "id": "ce-2"}, data))[1]
    batch = f"[{body.decode()},{second.decode()}]"
    yield "cloudevents_batch", _kept("cloudevents", path, batch, "application/cloudevents-batch+json")
    headers, body = to_binary(CloudEvent({**attributes, "datacontenttype": "application/json"}, data))
    media_type = headers.pop("datacontenttype", None) or headers.pop("content-type")
    yield "cloudevents_binary", _kept("cloudevents", path, body.decode(), media_type, **headers)
    provider = CloudEvent({**attributes, "type": "org.example.usage.openai"}, answers.OPENAI_CHAT)
    headers, body = to_structured(provider)
    more = {"x-tollbook-tenant": "acme"}
    yield "cloudevents_openai", _kept("cloudevents", path, body.decode(), headers["content-type"], **more)


def openmeter(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """openmeter: its client's own ingest, one event and a batch."""
    from openmeter import Client

    sink.answers = {}
    event = {
        "id": "om-1",
        "source": "my-app",
        "specversion": "1.0",
        "type": "tokens",
        "subject": "acme",
        "time": "2026-11-28T00:00:00Z",
        "data": {"tokens": "123", "type": "output", "model": "gpt-4o"},
    }
    with Client(endpoint=sink.url, token="k") as client:
        client.events.ingest_event(event)
        post = sink.posts.get(timeout=20)
        yield "openmeter", _kept("openmeter", post.path, post.body.decode(), post.headers["content-type"])
        batch = [event, {**event, "id": "om-2", "data": {"tokens": 50, "type": "cached_input", "model": "gpt-4o"}}]
        stream = io.BytesIO(json.dumps(batch).encode())
        client.events.ingest_event(stream, content_type="application/cloudevents-batch+json")
        post = sink.posts.get(timeout=20)
        yield "openmeter_batch", _kept("openmeter", post.path, post.body.decode(), post.headers["content-type"])


def langchain(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """langchain-openai and langchain-anthropic: messages as they are dumped and as they are serialised."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.callbacks import UsageMetadataCallbackHandler
    from langchain_core.load import dumps
    from langchain_openai import ChatOpenAI

    path = "/v1/usage/langchain"
    flex = {**answers.OPENAI_CHAT, "service_tier": "flex"}
    sink.answers = {"/chat/completions": flex, "/messages": answers.ANTHROPIC}
    by_model = UsageMetadataCallbackHandler()
    said = ChatOpenAI(model="gpt-5.5", api_key="k", base_url=f"{sink.url}/v1", service_tier="flex").invoke(
        "do", config={"callbacks": [by_model]}
    )
    yield "langchain_openai", _kept("langchain-openai", path, said.model_dump_json())
    yield "langchain_by_model", _kept("langchain-core", path, json.dumps(by_model.usage_metadata))
    said = ChatAnthropic(model="claude-opus-4-7", api_key="k", base_url=sink.url).invoke("do")
    yield "langchain_anthropic", _kept("langchain-anthropic", path, said.model_dump_json())
    yield "langchain_serialised", _kept("langchain-anthropic", path, dumps(said))


def pydantic_ai(sink: Sink) -> Iterator[tuple[str, Captured]]:
    """pydantic-ai: a history of messages, the usage of a request and of a run."""
    from pydantic import TypeAdapter
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.usage import RequestUsage, RunUsage

    path = "/v1/usage/pydantic-ai"
    sink.answers = {"/chat/completions": answers.OPENAI_CHAT}
    model = OpenAIChatModel("gpt-5.5", provider=OpenAIProvider(base_url=f"{sink.url}/v1", api_key="k"))
    result = Agent(model).run_sync("do")
    yield "pydantic_ai_messages", _kept("pydantic-ai-slim", path, result.all_messages_json().decode())
    usage = result.usage
    dumped = TypeAdapter(RunUsage).dump_json(usage + usage).decode()
    named = {"x-tollbook-model": "gpt-5.5"}
    yield "pydantic_ai_run", _kept("pydantic-ai-slim", path, dumped, **named)
    one = RequestUsage(
        input_tokens=62, cache_write_tokens=12, cache_write_1h_tokens=7, cache_read_tokens=40, output_tokens=30
    )
    dumped = TypeAdapter(RequestUsage).dump_json(one).decode()
    yield "pydantic_ai_request", _kept("pydantic-ai-slim", path, dumped, **named)


def documented(_: Sink) -> Iterator[tuple[str, Captured]]:
    """Answers of providers whose packages are not driven here, by the types of cohere 7.3 and ollama 0.6."""
    for name, answer, model in (("cohere", answers.COHERE, "command-r"), ("ollama", answers.OLLAMA, "")):
        headers = {"x-tollbook-model": model} if model else {}
        yield name, {"package": "", "version": "", "path": f"/v1/usage/{name}", "media_type": "application/json",
                     "headers": headers, "body": json.dumps(answer)}  # fmt: skip


SOURCES: dict[str, Callable[[Sink], Iterator[tuple[str, Captured]]]] = {
    "openai": openai,
    "anthropic": anthropic,
    "google.genai": google,
    "mistralai": mistral,
    "boto3": bedrock,
    "litellm": litellm,
    "cloudevents": cloudevents,
    "openmeter": openmeter,
    "langchain_core": langchain,
    "pydantic_ai": pydantic_ai,
    "json": documented,
}
"""By the module that has to be there."""


def captured(source: str) -> dict[str, Captured]:
    """All payloads of one source, by name."""
    with running_sink() as sink:
        return dict(SOURCES[source](sink))


def main(sources: list[str]) -> None:
    """Write every payload anew, or print those of the sources that are named."""
    if sources:
        print(json.dumps({name: one for source in sources for name, one in captured(source).items()}))
        return
    for source in SOURCES:
        for name, one in captured(source).items():
            (FOLDER / f"{name}.json").write_text(json.dumps(one, indent=1, sort_keys=True) + "\n")
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
