"""Errors as RFC 9457 problem details, each with a stable `code`."""

import msgspec

from tollbook.domain.errors import RejectCode

MEDIA_TYPE = b"application/problem+json"
TYPE_BASE = "https://tollbook.dev/problems/"


class Problem(Exception):  # noqa: N818 - named as the RFC names it
    """An answer other than the one asked for; `facts` become members of the problem object."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        facts: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.facts = facts or {}

    def body(self) -> bytes:
        """The problem object as JSON."""
        return msgspec.json.encode(
            {
                "type": f"{TYPE_BASE}{self.code}",
                "title": self.code.replace("_", " "),
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                **self.facts,
            }
        )


REJECT_STATUS: dict[str, int] = {
    RejectCode.JSON_INVALID: 400,
    RejectCode.PROTOBUF_INVALID: 400,
    RejectCode.TOO_DEEP: 400,
    RejectCode.TENANT_FORBIDDEN: 403,
    RejectCode.AGENT_FORBIDDEN: 403,
    RejectCode.OBSERVER_FORBIDDEN: 403,
    RejectCode.BODY_TOO_LARGE: 413,
    RejectCode.BATCH_TOO_LARGE: 413,
    RejectCode.ENCODING_UNSUPPORTED: 415,
    RejectCode.MEDIA_TYPE_UNSUPPORTED: 415,
}
"""HTTP status of a rejection where it is the answer of the whole request; 422 for those not named."""


def unauthorized(detail: str) -> Problem:
    """No key, or one that is not in force."""
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Bearer realm="tollbook"'})


def forbidden(detail: str) -> Problem:
    """The key may not do this."""
    return Problem(403, "forbidden", detail)


def unavailable(detail: str, code: str, *, retry_after_s: int = 1) -> Problem:
    """Stores away or buffers full: nothing was promised, the sender keeps the event and comes back."""
    return Problem(503, code, detail, headers={"retry-after": str(retry_after_s)})
