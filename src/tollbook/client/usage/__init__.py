"""Reads any provider's answer into token counts."""

from tollbook.client.usage.outcome import UsageRead, counted

__all__ = ["UsageRead", "read"]


def read(response: object) -> UsageRead | None:
    """The usage of a response, or None where it states none.

    >>> read({"input": 9, "output": 2, "cache_read": 4}).usage.cache_read
    4
    """
    if isinstance(response, UsageRead):
        return response
    if not isinstance(response, dict) or not isinstance(response.get("input"), int):
        return None
    return UsageRead(
        usage=counted(
            input_=response["input"],
            output=response.get("output", 0),
            cache_read=response.get("cache_read", 0),
            cache_writes=(response.get("cache_write_5m", 0), response.get("cache_write_1h", 0)),
            reasoning=response.get("reasoning", 0),
        ),
        model=response.get("model"),
        provider=response.get("provider"),
        service_tier=response.get("service_tier"),
        call_id=response.get("call_id"),
        cost_usd=response.get("cost_usd"),
        estimated=bool(response.get("estimated", False)),
    )
