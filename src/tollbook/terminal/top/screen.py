"""The terminal by curses: rows in, keys out. Only what changed is written, so that nothing flickers."""

import contextlib
import curses
import locale
import os
import sys
from collections.abc import Iterator

from rich.console import Console

from tollbook.domain.errors import ConfigError
from tollbook.terminal.names import ascii_text
from tollbook.terminal.top.frame import Row, Size
from tollbook.terminal.top.state import Key

STYLES = ("dim", "bold", "ok", "warn", "bad", "bar", "tab", "cursor", "header", "sorted")

_ESCAPE_MS = 25
_KEYS = {
    curses.KEY_UP: Key.UP,
    curses.KEY_DOWN: Key.DOWN,
    curses.KEY_PPAGE: Key.PAGE_UP,
    curses.KEY_NPAGE: Key.PAGE_DOWN,
    curses.KEY_HOME: Key.HOME,
    curses.KEY_END: Key.END,
    curses.KEY_ENTER: Key.ENTER,
    curses.KEY_RIGHT: Key.ENTER,
    curses.KEY_LEFT: Key.BACK,
    curses.KEY_BACKSPACE: Key.BACK,
    curses.KEY_BTAB: Key.BACK_TAB,
    curses.KEY_RESIZE: Key.RESIZE,
}
_CHARACTERS = {
    "\n": Key.ENTER,
    "\r": Key.ENTER,
    "\x1b": Key.ESCAPE,
    "\x7f": Key.BACK,
    "\b": Key.BACK,
    "\t": Key.TAB,
}


class Screen:
    """The terminal while it is ours."""

    def __init__(self, window: "curses.window", *, plain: bool) -> None:
        self._window = window
        self._plain = plain
        self._attributes = _attributes()

    @property
    def size(self) -> Size:
        """The terminal's size at this moment."""
        height, width = self._window.getmaxyx()
        return Size(width, height, self._plain)

    def paint(self, rows: list[Row]) -> None:
        """Show rows; cells that stay the same are not written again."""
        self._window.erase()
        height, width = self._window.getmaxyx()
        for number, row in enumerate(rows[:height]):
            column = 0
            for text, style in row.spans:
                if not text:
                    continue
                written = ascii_text(text) if self._plain else text
                # The last cell of the screen cannot be written without scrolling, and a resize may outrun the frame.
                with contextlib.suppress(curses.error):
                    self._window.addstr(number, column, written, self._attributes.get(style, 0))
                column = self._window.getyx()[1]
                if column >= width:
                    break
        self._window.refresh()

    def resized(self) -> bool:
        """Whether the terminal has another size than it had; the next paint is then for that one.

        Asked for each time: the signal may reach the thread that reads, and then wakes no key.
        """
        size = os.get_terminal_size(sys.stdout.fileno())
        if not curses.is_term_resized(size.lines, size.columns):
            return False
        curses.resizeterm(size.lines, size.columns)
        self._window.clear()
        return True

    def redraw(self) -> None:
        """Let the next paint write everything anew."""
        self._window.clear()

    def key(self, wait_ms: int) -> Key | str | None:
        """The next key, None where none comes in time."""
        self._window.timeout(wait_ms)
        try:
            found = self._window.get_wch()
        except curses.error:
            return None
        if isinstance(found, int):
            return _KEYS.get(found)
        return _CHARACTERS.get(found, found)


@contextlib.contextmanager
def terminal() -> Iterator[Screen]:
    """The terminal, given back as it was however this ends; raises `ConfigError` where it can show no screen."""
    locale.setlocale(locale.LC_CTYPE, "")
    plain = not locale.getpreferredencoding(False).lower().replace("-", "").startswith("utf8")
    try:
        curses.setupterm()
        if not curses.tigetstr("cup"):
            raise curses.error("it cannot place its cursor")
        curses.set_escdelay(_ESCAPE_MS)
        window = curses.initscr()
    except curses.error as error:
        raise ConfigError(f"this terminal shows no live screen ({error}): set TERM, or use --once") from error
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        with contextlib.suppress(curses.error):
            curses.curs_set(0)
        yield Screen(window, plain=plain)
    finally:
        window.keypad(False)
        curses.endwin()


def _attributes() -> dict[str, int]:
    """What each style is here: colours of the user's own palette where there are any and they are wanted."""
    found = {
        "dim": curses.A_DIM,
        "bold": curses.A_BOLD,
        "ok": 0,
        "warn": curses.A_BOLD,
        "bad": curses.A_BOLD | curses.A_UNDERLINE,
        "bar": 0,
        "tab": curses.A_REVERSE,
        "cursor": curses.A_REVERSE,
        "header": curses.A_DIM,
        "sorted": curses.A_BOLD | curses.A_UNDERLINE,
    }
    if Console().no_color:
        return found
    with contextlib.suppress(curses.error):
        curses.start_color()
        curses.use_default_colors()
        colours = {
            "ok": curses.COLOR_GREEN,
            "warn": curses.COLOR_YELLOW,
            "bad": curses.COLOR_RED,
            "bar": curses.COLOR_CYAN,
        }
        for number, (style, colour) in enumerate(colours.items(), 1):
            curses.init_pair(number, colour, -1)
            found[style] = curses.color_pair(number) | (curses.A_BOLD if style == "bad" else 0)
    return found
