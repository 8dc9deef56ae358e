"""The three OTLP routes as the OpenAPI document shows them.

They are served in front of this application (`api/otlp.py`): these handlers are never reached, and say so.
"""

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from tollbook.api.asking import SECURITY
from tollbook.api.failures import problems
from tollbook.domain.errors import unreachable

_TAGS = ["intake"]

Body = Annotated[dict[str, Any], BodyKwarg(media_type=RequestEncodingType.JSON)]


class PartialSuccess(msgspec.Struct, frozen=True, rename="camel"):
    """How many items were not taken, and why the first was not."""

    error_message: str


class Exported(msgspec.Struct, frozen=True, rename="camel"):
    """`partialSuccess` is there only where items were not taken."""

    partial_success: PartialSuccess | None = None


@post(
    "/v1/traces",
    security=SECURITY,
    tags=_TAGS,
    summary="Report spans",
    status_code=200,
    responses=problems(400, 401, 403, 503),
)
async def send_traces(data: Body) -> Exported:
    """An OTLP `ExportTraceServiceRequest`, as application/x-protobuf or application/json, plain or gzip."""
    unreachable(f"served in front of this application: {type(data).__name__}")


@post(
    "/v1/logs",
    security=SECURITY,
    tags=_TAGS,
    summary="Report log records",
    status_code=200,
    responses=problems(400, 401, 403, 503),
)
async def send_logs(data: Body) -> Exported:
    """An OTLP `ExportLogsServiceRequest`, as application/x-protobuf or application/json, plain or gzip."""
    unreachable(f"served in front of this application: {type(data).__name__}")


@post(
    "/v1/metrics",
    security=SECURITY,
    tags=_TAGS,
    summary="Report metrics",
    status_code=200,
    responses=problems(400, 401, 403, 503),
)
async def send_metrics(data: Body) -> Exported:
    """An OTLP `ExportMetricsServiceRequest`, as application/x-protobuf or application/json, plain or gzip."""
    unreachable(f"served in front of this application: {type(data).__name__}")
