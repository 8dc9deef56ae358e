"""`/llms.txt`: what a language model has to know to report, ask, read and get budget."""

from functools import cache
from importlib.resources import files

from litestar import MediaType, get


@get("/llms.txt", tags=["operation"], summary="How a language model uses this", media_type=MediaType.TEXT)
async def llms_txt() -> str:
    """Plain text in the form of llmstxt.org. No key is asked: it tells nothing of any tenant."""
    return _text()


@cache
def _text() -> str:
    return files("tollbook.api").joinpath("llms.txt").read_text(encoding="utf-8")
