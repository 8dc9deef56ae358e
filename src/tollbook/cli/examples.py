"""Examples at the end of a command's help."""


def examples(*lines: str) -> str:
    r"""The text for a command's `epilog`: each line as it is typed.

    >>> examples("tollbook up")
    '\x08\nExamples:\n  tollbook up'
    """
    # The backspace on a line of its own keeps click from filling the paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
