"""What a call used, with inclusive parents: `input` holds all prompt tokens, `output` all generated ones."""

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Token counts of one call.

    `cache_read`, `cache_write_5m` and `cache_write_1h` are parts of `input`; `reasoning` is a part of
    `output`. A source that counts them beside (Anthropic, Gemini's thoughts) is added up before it gets here.
    """

    input: int
    output: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
