"""Whatever goes wrong under a route, as a problem document."""

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from tollbook.api.problems import MEDIA_TYPE, Problem, unavailable
from tollbook.domain.errors import RejectCode, StoreError
from tollbook.telemetry import LoopFailed

_MEANING = {
    400: "The request cannot be taken as it is.",
    401: "No key, or one that is not in force.",
    403: "The key may not do this, or belongs to another tenant.",
    404: "There is no such thing.",
    409: "What stands already contradicts it.",
    501: "This installation lacks what the answer needs.",
    413: "The body is larger, or the batch longer, than is taken.",
    415: "A media type or an encoding of bodies that is not read.",
    422: "None of the items can be taken; `rejected` says why, item by item.",
    503: "A store that the answer needs is away; retry later.",
}


class ProblemBody(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457). `code` is stable: docs/errors.md lists them all."""

    type: str
    title: str
    status: int
    detail: str
    code: str


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What the OpenAPI document says of a route's refusals."""
    return {
        status: ResponseSpec(
            ProblemBody,
            description=_MEANING[status],
            generate_examples=False,
            media_type=MEDIA_TYPE.decode(),
        )
        for status in statuses
    }


AnyRequest = Request[None, None, State]

_CODE_OF_STATUS = {
    400: "request_invalid",
    404: "not_found",
    405: "method_not_allowed",
    413: RejectCode.BODY_TOO_LARGE.value,
    415: RejectCode.MEDIA_TYPE_UNSUPPORTED.value,
}


def problem_response(problem: Problem) -> Response[bytes]:
    """The problem as an answer."""
    return Response(problem.body(), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE.decode())


def _of_problem(_: AnyRequest, problem: Problem) -> Response[bytes]:
    return problem_response(problem)


def _of_store(_: AnyRequest, failure: StoreError) -> Response[bytes]:
    # What the driver said names hosts and tables: it goes to the log, not to whoever asks.
    return problem_response(unavailable("a store that this answer needs is away", failure.code))


def _of_http(_: AnyRequest, failure: HTTPException) -> Response[bytes]:
    if isinstance(failure, ValidationException):
        return problem_response(Problem(400, "request_invalid", _detail_of(failure)))
    if isinstance(failure.__cause__, SerializationException | msgspec.DecodeError):
        return problem_response(_not_json())
    code = _CODE_OF_STATUS.get(failure.status_code, "request_invalid")
    headers = {name.lower(): value for name, value in (failure.headers or {}).items()}
    return problem_response(Problem(failure.status_code, code, failure.detail, headers=headers))


def _of_bytes(_: AnyRequest, _failure: UnicodeDecodeError) -> Response[bytes]:
    # Litestar lets this one through; the body is the only thing that is decoded here.
    return problem_response(_not_json())


def _not_json() -> Problem:
    return Problem(400, RejectCode.JSON_INVALID, "the body is not well-formed JSON in UTF-8")


def _detail_of(failure: ValidationException) -> str:
    """Which field, and what is wrong with it: Litestar's own detail names the route instead."""
    found = failure.extra if isinstance(failure.extra, list) else []
    said = [": ".join(str(part) for part in (item.get("key"), item.get("message")) if part) for item in found]
    return "; ".join(said) or failure.detail


def _of_bug(request: AnyRequest, bug: Exception) -> Response[bytes]:
    request.app.state.services.telemetry.record(LoopFailed(f"api {request.method} {request.url.path}", repr(bug)))
    return problem_response(Problem(500, "internal", "this is a defect of tollbook; its log says more"))


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    Problem: _of_problem,
    StoreError: _of_store,
    HTTPException: _of_http,
    UnicodeDecodeError: _of_bytes,
    Exception: _of_bug,
}
