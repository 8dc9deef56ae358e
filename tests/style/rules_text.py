"""Every text file: nothing of one machine in it; rooms that introduce themselves; documented exports."""

import ast
import re
from collections.abc import Iterator

from tests.style.rule import Rule
from tests.style.tree import FUNCTIONS, Finding, Source, Tree, each

ROOM_PARTS = ("Owns", "Does not own", "Invariants", "Failure behaviour")

_MACHINE = re.compile(r"(?<![\w.-])/(?:work|farm|root)/|/tmp/w[t]|(?<![\w.-])/home/[a-z]|/opt/(?:pypi|wheels)")
_REGISTRY = re.compile(
    r"pypi\.org/simple|pythonhosted\.org|registry\.npmjs\.org|(?<!-emit)-(?:-extra)?-index-url[ =]\S"
    r"|(?<!-emit)--find-links[ =]\S|\bPIP_(?:EXTRA_)?INDEX_URL\b|\bfile:///"
)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}) ")
_PIN = re.compile(r"[\w.-]+==\S+(?: ; [^\\]+)? \\(?:\n\s+--hash=sha256:[0-9a-f]{64}(?: \\)?)+", re.MULTILINE)


def _search(pattern: re.Pattern[str], source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        for found in pattern.finditer(line):
            yield Finding(source.path, number, repr(found.group()))


def _machine_paths(source: Source) -> Iterator[Finding]:
    yield from _search(_MACHINE, source)


def _registries(source: Source) -> Iterator[Finding]:
    yield from _search(_REGISTRY, source)


def _conflicts(source: Source) -> Iterator[Finding]:
    yield from _search(_CONFLICT, source)


def _pins(source: Source) -> Iterator[Finding]:
    rest = re.sub(r"^\s*#.*\n?", "", _PIN.sub("", source.text), flags=re.MULTILINE)
    for line in rest.split("\n"):
        if line.strip():
            yield Finding(source.path, 1, f"not a pin with hashes: {line.strip()[:60]}")


def _room_readmes(tree: Tree) -> Iterator[Finding]:
    rooms = {m[1] for path in tree if (m := re.match(r"(src/tollbook/\w+)/.*\.(?:py|sql|lua)$", path))}
    for room in sorted(rooms):
        readme = tree.get(f"{room}/README.md")
        if readme is None:
            inside = [path for path in tree if path.startswith(f"{room}/")]
            # A room that so far is only its name has nothing to introduce.
            if inside != [f"{room}/__init__.py"]:
                yield Finding(f"{room}/README.md", 1, "missing")
            continue
        for part in ROOM_PARTS:
            if not re.search(rf"^(?:#+ |\*\*){part}\b", readme.text, re.MULTILINE):
                yield Finding(readme.path, 1, f"no part {part!r}")


def _definition(tree: Tree, module: str, name: str) -> ast.AST | None:
    base = f"src/{module.replace('.', '/')}"
    source = tree.get(f"{base}.py") or tree.get(f"{base}/__init__.py")
    if source is None:
        return None
    for node in source.tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
            return _definition(tree, node.module or "", name)
    return None


def _exports(tree: Tree) -> Iterator[Finding]:
    for path, source in tree.items():
        if not re.match(r"src/tollbook/(?:.*/)?__init__\.py$", path):
            continue
        if not ast.get_docstring(source.tree):
            yield Finding(path, 1, "no docstring")
        module = path.removeprefix("src/").removesuffix("/__init__.py").replace("/", ".")
        for node in source.tree.body:
            imported = node.names if isinstance(node, ast.ImportFrom) else []
            names = [alias.asname or alias.name for alias in imported]
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                names = [node.name]
            for name in names:
                found = None if name.startswith("_") else _definition(tree, module, name)
                if found is not None and not ast.get_docstring(found):
                    yield Finding(f"{path}::{name}", node.lineno, f"{name} has no docstring")


_PINNED = "a==1 \\\n    --hash=sha256:" + "0" * 64 + " \\\n    --hash=sha256:" + "1" * 64 + "\n    # via b\n"
_README = "# r\n\n**Owns** a.\n\n## Does not own\n\n**Invariants.** b\n\n**Failure behaviour.** c\n"
_ROOM = {"src/tollbook/r/__init__.py": '"""R."""\n', "src/tollbook/r/a.py": ""}

RULES = (
    Rule(
        "machine-path",
        "a path relative to the file, a temporary directory, or a setting",
        each(r"", _machine_paths),
        bad=(
            {"docs/a.md": "see /" + "root/x\n"},
            {"Makefile": "cd /" + "home/me\n"},
            {"a.sh": "'/" + "work/x'\n"},
        ),
        good=({"docs/a.md": "src/work/x, example.org/home/me and /tmp\n"},),
    ),
    Rule(
        "registry-address",
        "nothing: pip asks the index that its user configured",
        each(r"", _registries),
        bad=(
            {"requirements/a.txt": "--index" + "-url https://example.org/\n"},
            {"requirements/a.txt": "--extra" + "-index-url=x\n"},
            {"Makefile": "pip install --find" + "-links x\n"},
            {"docs/a.md": "https://pypi" + ".org/simple\n"},
        ),
        good=(
            {"Makefile": "--no-emit-index-url --no-emit-find-links\n"},
            {"README.md": "https://pypi" + ".org/project/x\n"},
        ),
    ),
    Rule(
        "conflict-marker",
        "one of the two sides, or what both meant",
        each(r"", _conflicts),
        bad=({"docs/a.md": "<" * 7 + " HEAD\na\n=======\nb\n" + ">" * 7 + " other\n"},),
        good=({"docs/a.md": "Title\n=======\n\n>>> f()\n"},),
    ),
    Rule(
        "pinned-requirements",
        "`make lock`: name==version with the hashes of all its files, and nothing else",
        each(r"requirements/.*\.txt$", _pins),
        bad=(
            {"requirements/a.txt": "a==1\n"},
            {"requirements/a.txt": _PINNED + "b>=2 \\\n    --hash=sha256:" + "0" * 64 + "\n"},
            {"requirements/a.txt": "-r other.txt\n"},
        ),
        good=({"requirements/a.txt": _PINNED + _PINNED.replace("==1", '==1 ; sys_platform == "x"')},),
    ),
    Rule(
        "room-readme",
        f"README.md of the room with the parts {', '.join(ROOM_PARTS)}",
        _room_readmes,
        bad=(_ROOM, _ROOM | {"src/tollbook/r/README.md": _README.replace("Invariants", "Notes")}),
        good=(
            _ROOM | {"src/tollbook/r/README.md": _README},
            {"src/tollbook/r/__init__.py": '"""R."""\n'},
        ),
    ),
    Rule(
        "export-docstring",
        "a docstring whose first line is a sentence, where the exported name is defined",
        _exports,
        bad=(
            {"src/tollbook/__init__.py": "x = 1\n"},
            {"src/tollbook/__init__.py": '"""T."""\ndef f(): ...\n'},
            {
                "src/tollbook/__init__.py": '"""T."""\nfrom tollbook.a import F\n',
                "src/tollbook/a.py": "class F: ...\n",
            },
        ),
        good=(
            {
                "src/tollbook/__init__.py": '"""T."""\nfrom tollbook.a import F\n',
                "src/tollbook/a.py": 'class F:\n    """F is."""\n',
            },
        ),
    ),
)
