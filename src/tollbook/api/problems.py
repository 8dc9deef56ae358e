"""Errors as RFC 9457 problem details, each with a stable `code`."""

from tollbook.domain.errors import RejectCode
from tollbook.views.problems import MEDIA_TYPE, TYPE_BASE, Problem, forbidden, unauthorized, unavailable

__all__ = ["MEDIA_TYPE", "REJECT_STATUS", "TYPE_BASE", "Problem", "forbidden", "unauthorized", "unavailable"]

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
