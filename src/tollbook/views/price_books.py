"""Price books: which is in force, since when its data is known, and which waits to be accepted."""

import msgspec

from tollbook.domain.access import Principal
from tollbook.ports.prices import BookListing
from tollbook.views.asking import changer
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import Problem, forbidden, not_found

_BOOKS_MAX = 100
_DIGEST_CHARS_MIN = 8
_AND_FILE = " + prices.toml "


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """A kept price book. `waits`: what moved too far, of one that has to be accepted before it is in force.

    `overrides` is the text of the prices.toml that it was compiled with, '' without one.
    """

    digest: str
    version: str
    cards: int
    in_force: bool
    waits: str | None
    first_seen_at: str
    accepted_at: str | None
    accepted_by: str | None
    overrides: str


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """The one in force, then those before it, then those that wait.

    `digest` and `version` are of the book that this process prices by; `data_since` is when its release of the
    price data was first seen here, `data_age_s` how long ago.
    """

    digest: str
    version: str
    data_since: str | None
    data_age_s: int | None
    rows: list[Book]


async def books(desk: Desk, _principal: Principal) -> Books:
    """Every kept book, the last hundred."""
    found = await desk.price_store.books(_BOOKS_MAX)
    book = desk.prices.book
    since = await desk.price_store.data_since(book.version.partition(_AND_FILE)[0])
    newest = next((one.digest for one in found if one.accepted_at is not None), None)
    return Books(
        digest=book.digest,
        version=book.version,
        data_since=None if since is None else time_text(since),
        data_age_s=None if since is None else max(0, int((desk.clock.now() - since).total_seconds())),
        rows=[_shown(one, newest) for one in found],
    )


async def accept(desk: Desk, principal: Principal, digest: str) -> Books:
    """Put a kept book in force; receivers that have it follow within a second."""
    if principal.tenant is not None:
        raise forbidden("this needs an admin key that is bound to no tenant")
    named = await desk.price_store.named(digest) if len(digest) >= _DIGEST_CHARS_MIN and digest.isalnum() else []
    if not named:
        raise not_found("no price book has this digest")
    if len(named) > 1:
        raise Problem(400, "field_invalid", "several price books begin with this digest: give all of it")
    await desk.price_store.accept(named[0].digest, changer(principal), desk.clock.now())
    return await books(desk, principal)


def _shown(one: BookListing, in_force: str | None) -> Book:
    return Book(
        digest=one.digest,
        version=one.version,
        cards=one.cards,
        in_force=one.digest == in_force,
        waits=one.refused if one.accepted_at is None else None,
        first_seen_at=time_text(one.created_at),
        accepted_at=None if one.accepted_at is None else time_text(one.accepted_at),
        accepted_by=one.accepted_by,
        overrides=one.overrides,
    )
