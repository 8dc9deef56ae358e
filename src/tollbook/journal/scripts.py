"""Loads the Lua scripts and calls them by digest."""

import hashlib
import re
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

_INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


class Script:
    """One script: its text with what it includes, and its digest."""

    def __init__(self, name: str) -> None:
        folder = resources.files("tollbook.journal") / "scripts"
        text = (folder / f"{name}.lua").read_text()
        self.text = _INCLUDE.sub(lambda found: (folder / found.group(1)).read_text(), text)
        # EVALSHA names scripts by SHA-1; nothing secret rests on it.
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, store: "Redis", keys: list[str], *args: str | bytes | int) -> Any:
        """Run the script; where the store does not know it yet, send it whole."""
        try:
            return await store.evalsha(self.digest, len(keys), *keys, *args)
        except NoScriptError:
            return await store.eval(self.text, len(keys), *keys, *args)
