"""Why a page is not shown, as exceptions; `answering.py` makes pages or problem documents of them."""


class Refusal(Exception):  # noqa: N818 - an answer, not a mistake
    """An answer other than the page: its status, a stable code, and a sentence for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class SignInFirst(Refusal):
    """Nobody is signed in."""

    def __init__(self) -> None:
        super().__init__(401, "unauthorized", "sign in with a key first")


def forbidden(detail: str) -> Refusal:
    """The viewer's key may not do this."""
    return Refusal(403, "forbidden", detail)


def not_found(detail: str) -> Refusal:
    """There is no such thing, or it is not this viewer's business."""
    return Refusal(404, "not_found", detail)


def invalid(detail: str) -> Refusal:
    """What was asked says nothing that this page understands."""
    return Refusal(400, "query_invalid", detail)
