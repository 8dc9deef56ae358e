"""The SDK: what an agent's process needs to ask before a call and to report after it."""
