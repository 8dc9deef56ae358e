"""Hooks into the SDKs and frameworks that make the calls. Each needs its own package, and only when it is used."""

from tollbook.client.integrations.wrapping import wrap

__all__ = ["wrap"]
