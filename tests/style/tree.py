"""The text files of the project as the style rules see them: read once, parsed once."""

import ast
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ENVIRONMENTS = {".venv", ".venv-integrations", ".venv-browser", ".venv-lock"}
_BY_PRODUCTS = {*_ENVIRONMENTS, ".git", "__pycache__", "build", "dist", ".tollbook"}
_BY_PRODUCT_ENDS = ("_cache", ".egg-info", ".hypothesis")


@dataclass(frozen=True)
class Finding:
    """A breach of a rule; `where` is `path` or `path::Qualified.name`, which outlives a change of lines."""

    where: str
    line: int
    what: str
    measure: int | None = None


@dataclass(frozen=True)
class Source:
    """One text file; `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def _walked(self) -> tuple[dict[type[ast.AST], list[ast.AST]], dict[ast.AST, str]]:
        kinds: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        names: dict[ast.AST, str] = {}
        stack: list[tuple[ast.AST, str]] = [(self.tree, "")]
        while stack:
            node, outer = stack.pop()
            kinds[type(node)].append(node)
            names[node] = outer
            inner = outer
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                inner = names[node] = f"{outer}.{node.name}" if outer else node.name
            stack.extend((child, inner) for child in ast.iter_child_nodes(node))
        return kinds, names

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """The nodes of these exact types, wherever they stand."""
        for kind in kinds:
            yield from self._walked[0].get(kind, ())

    def finding(self, node: ast.AST, what: str, measure: int | None = None) -> Finding:
        """A breach at a node, placed by the innermost class or function that holds it."""
        name = self._walked[1][node]
        where = f"{self.path}::{name}" if name else self.path
        return Finding(where, getattr(node, "lineno", 1), what, measure)


Tree = Mapping[str, Source]
Check = Callable[[Tree], Iterable[Finding]]


def tree_of(texts: Mapping[str, str]) -> Tree:
    """A tree made of texts by path: what the samples of the rules are."""
    return {path: Source(path, text) for path, text in texts.items()}


def project_tree(root: Path = ROOT) -> Tree:
    """Every text file that is, or would be, under version control."""
    found = {}
    for path in _paths(root):
        try:
            found[path] = Source(path, (root / path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture or a binary sample; or deleted and not yet committed
    return found


def _paths(root: Path) -> list[str]:
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
            text=True,
        )
        return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]
    paths = []
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if n not in _BY_PRODUCTS and not n.endswith(_BY_PRODUCT_ENDS)]
        paths += [(Path(folder) / file).relative_to(root).as_posix() for file in files]
    return paths


def each(pattern: str, check: Callable[[Source], Iterable[Finding]], *, but: str = r"(?!)") -> Check:
    """Run a check on each file whose path matches `pattern` from its start and not `but`."""
    wanted, unwanted = re.compile(pattern), re.compile(but)

    def run(tree: Tree) -> Iterator[Finding]:
        for path, source in tree.items():
            if wanted.match(path) and not unwanted.match(path):
                yield from check(source)

    return run


def stem(path: str) -> str:
    """The name of a file without folders and ending."""
    return PurePosixPath(path).stem


def words(name: str) -> list[str]:
    """The lower-case words of an identifier in snake or camel case.

    >>> words("SpendOfDay_nanos")
    ['spend', 'of', 'day', 'nanos']
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute, '' of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""
