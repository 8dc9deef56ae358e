"""Transcripts as Claude Code and Codex write them, made from a seed."""
