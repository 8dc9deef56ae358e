"""How the rules of one item say no; `native` turns it into that item's `Rejection`."""

from tollbook.domain.errors import RejectCode


class ItemRefused(Exception):  # noqa: N818 - carries an outcome up to the loop over items, never past it
    """One item breaks a rule. Never leaves this room: the loop over the items makes a `Rejection` of it."""

    def __init__(self, code: RejectCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
