"""What a failover or an old store can bring about, done to the journal by hand."""

from tests.core_world import World
from tollbook.domain.record import Record
from tollbook.journal.scripts import Script
from tollbook.ports.journal import Posted


class _AtPlace:
    """post.lua with its record's stream id given instead of taken from the clock."""

    def __init__(self, place: str) -> None:
        self._script = Script("post")
        self._script.text = self._script.text.replace("'XADD', KEYS[2], '*'", f"'XADD', KEYS[2], '{place}'")
        assert place in self._script.text

    async def __call__(self, store: object, keys: list[str], *args: object) -> object:
        return await store.eval(self._script.text, len(keys), *keys, *args)


async def post_at(world: World, place: str, record: Record) -> Posted:
    """Journal a record at a place of the journal that another Valkey had given to another record."""
    kept, world.journal._post = world.journal._post, _AtPlace(place)
    try:
        return await world.journal.post(record)
    finally:
        world.journal._post = kept
