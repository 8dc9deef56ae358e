"""SQL and Lua: in files of their own, one statement or function each, callable from the header alone."""

import ast
import re
from collections.abc import Iterator

from tests.style.rule import Rule
from tests.style.tree import Finding, Source, each

_SQL_START = re.compile(
    r"\s*(?:select\s.*\bfrom\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|merge\s+into\s|truncate\s"
    r"|with\s+(?:recursive\s+)?\w+\s+as\s*\(|copy\s+\w+\s*(?:\(|from|to)"
    r"|(?:create|drop|alter)\s+(?:or\s+replace\s+|unique\s+|temp\s+|temporary\s+|unlogged\s+)*"
    r"(?:table|index|view|schema|database|role|user|type|function|extension|publication|sequence|trigger)\s)",
    re.IGNORECASE | re.DOTALL,
)
_SQL_QUOTED = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|\"[^\"]*\"", re.DOTALL)
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# No product starts right after one of these, so a star there means all columns.
_STAR = re.compile(r"(?:\bselect\s+(?:distinct\s+|all\s+)?|\breturning\s+|,\s*)(?:\w+\.)?\*", re.IGNORECASE)
_LUA_CALL = re.compile(r"\b(?:redis|server)\.p?call\s*\(")
_LUA_CLOCK = re.compile(r"\.p?call\s*\(\s*(['\"])time\1|\bos\.(?:time|clock|date)\b", re.IGNORECASE)


def _docstrings(source: Source) -> set[ast.AST]:
    """Strings that stand as statements: they speak to the reader, not to a server."""
    return {node.value for node in source.nodes(ast.Expr) if isinstance(node.value, ast.Constant)}


def _sql_in_python(source: Source) -> Iterator[Finding]:
    skipped = _docstrings(source)
    for node in source.nodes(ast.Constant):
        if isinstance(node.value, str) and node not in skipped and _SQL_START.match(node.value + " "):
            yield source.finding(node, f"SQL in Python: {' '.join(node.value.split())[:40]!r}")


def header_of(source: Source) -> str:
    """The comment lines a file starts with, without their dashes."""
    found = []
    for line in source.lines:
        if not line.startswith("--"):
            break
        found.append(line.removeprefix("--").strip())
    return "\n".join(found)


def _statement(source: Source) -> str:
    return _SQL_COMMENT.sub(" ", _SQL_QUOTED.sub("''", source.text)).strip()


def _one_statement(source: Source) -> Iterator[Finding]:
    count = sum(bool(part.strip()) for part in _statement(source).split(";"))
    if count != 1:
        yield Finding(source.path, 1, f"{count} statements")


def _returns_rows(statement: str) -> bool:
    outer, inner = statement, None
    while outer != inner:
        outer, inner = re.sub(r"\([^()]*\)", " ", outer), outer
    verbs = re.findall(r"\b(select|values|insert|update|delete|merge|create|returning)\b", outer.lower())
    return bool(verbs) and (verbs[0] in {"select", "values"} or "returning" in verbs)


def _sql_header(source: Source) -> Iterator[Finding]:
    header, statement = header_of(source), _statement(source)
    if not header:
        yield Finding(source.path, 1, "no header comment that says the purpose")
        return
    for number in sorted(set(re.findall(r"\$(\d+)", statement)), key=int):
        if not re.search(rf"\${number}\b", header):
            yield Finding(source.path, 1, f"the header does not explain ${number}")
    if _returns_rows(statement) and not re.search(r"\b(rows|returns):?\s", header, re.IGNORECASE):
        yield Finding(source.path, 1, "the header has no `Rows:`")


def _migration_header(source: Source) -> Iterator[Finding]:
    if not header_of(source):
        yield Finding(source.path, 1, "no header comment that says the purpose")


def _select_star(source: Source) -> Iterator[Finding]:
    for found in _STAR.finditer(_statement(source)):
        yield Finding(source.path, 1, " ".join(found.group().split()))


def _lua_code(source: Source) -> str:
    """The text with comments blanked, so that offsets still give line numbers."""
    return re.sub(r"--[^\n]*", lambda found: " " * len(found.group()), source.text)


def _lua_header(source: Source) -> Iterator[Finding]:
    header = header_of(source)
    for part in ("KEYS", "ARGV", "returns"):
        if not re.search(rf"^{part}\b", header, re.MULTILINE | re.IGNORECASE):
            yield Finding(source.path, 1, f"the header has no line `-- {part}`")


def _lua_clock(source: Source) -> Iterator[Finding]:
    code = _lua_code(source)
    for found in _LUA_CLOCK.finditer(code):
        yield Finding(source.path, code[: found.start()].count("\n") + 1, found.group())


def _arguments(code: str, start: int) -> list[str]:
    """The top-level arguments of a call whose bracket opens just before `start`."""
    depth, quote, parts = 0, "", [""]
    for char in code[start:]:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif char == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += char
    return [part.strip() for part in parts]


def _lua_built_keys(source: Source) -> Iterator[Finding]:
    code = _lua_code(source)
    built = set(re.findall(r"\blocal\s+(\w+)\s*=[^\n=]*\.\.", code))
    for call in _LUA_CALL.finditer(code):
        key = [*_arguments(code, call.end()), "", ""][1]
        outside_index = re.sub(r"\[[^\]]*\]", "", key)
        if ".." in outside_index or key in built:
            yield Finding(source.path, code[: call.start()].count("\n") + 1, f"the key {key} is built here")


def _py(code: str) -> dict[str, str]:
    return {"src/tollbook/ledger/a.py": code}


def _sql(text: str, path: str = "src/tollbook/ledger/queries/a.sql") -> dict[str, str]:
    return {path: text}


def _lua(text: str, path: str = "src/tollbook/journal/scripts/a.lua") -> dict[str, str]:
    return {path: text}


_QUERIES = r"src/.*\.sql$"
_MIGRATIONS = r"src/.*/migrations/"
_SCRIPTS = r"src/.*\.lua$"
_LIBRARIES = r"src/.*/lib/"

RULES = (
    Rule(
        "sql-in-python",
        "a .sql file in ledger/queries with its parameters as $1, $2, ...",
        each(r"src/.*\.py$", _sql_in_python),
        bad=(
            _py("x = f'SELECT a FROM {table}'\n"),
            _py("x = 'select a from %s' % table\n"),
            _py("x = '''\n  INSERT INTO t VALUES ''' + rows\n"),
            _py("x = 'DELETE FROM {}'.format(table)\n"),
            _py("f('CREATE UNIQUE INDEX i ON t (a)')\n"),
        ),
        good=(
            _py('"""Select the budget from the list."""\nx = 1\n'),
            _py("x = 'update the budget'\ny = 'created'\nz = 'with a hold'\n"),
        ),
    ),
    Rule(
        "sql-one-statement",
        "one file a statement; what belongs together goes into one transaction in the store",
        each(_QUERIES, _one_statement, but=_MIGRATIONS),
        bad=(_sql("-- Two.\nSELECT 1; SELECT 2\n"), _sql("-- None.\n")),
        good=(_sql("-- One; really.\nSELECT ';', $q$;$q$;\n"),),
    ),
    Rule(
        "sql-header",
        "comment lines first: the purpose, every $n with its unit, `Rows:` with what comes back",
        each(_QUERIES, _sql_header, but=_MIGRATIONS),
        bad=(
            _sql("SELECT 1\n"),
            _sql("-- Reads a day.\n-- Rows: a.\nSELECT a FROM t WHERE d = $1\n"),
            _sql("-- Reads a day.\n-- $1 day\nSELECT a FROM t WHERE d = $1\n"),
            _sql("-- Adds.\nINSERT INTO t VALUES (1) RETURNING a\n"),
            _sql("-- Reads.\nWITH x AS (SELECT 1) SELECT b FROM x\n"),
        ),
        good=(
            _sql(
                "-- Reads a day.\n-- $1 day in the tenant's zone\n-- Rows: a.\nSELECT a FROM t WHERE d = $1\n"
            ),
            _sql("-- Adds.\nINSERT INTO t SELECT a FROM s\n"),
            _sql("-- Moves.\nWITH x AS (DELETE FROM t RETURNING a) INSERT INTO u SELECT a FROM x\n"),
        ),
    ),
    Rule(
        "migration-header",
        "a first comment line that says what the migration brings",
        each(_MIGRATIONS + r".*\.sql$", _migration_header),
        bad=(_sql("CREATE TABLE t (a int);\n", "src/tollbook/ledger/migrations/1.sql"),),
        good=(_sql("-- The table.\nCREATE TABLE t (a int);\n", "src/tollbook/ledger/migrations/1.sql"),),
    ),
    Rule(
        "select-star",
        "the columns by name: a migration that adds one must not change an answer",
        each(_QUERIES, _select_star),
        bad=(
            _sql("-- A.\nSELECT * FROM t\n"),
            _sql("-- A.\nSELECT a, t.* FROM t\n"),
            _sql("-- A.\nDELETE FROM t RETURNING *\n"),
        ),
        good=(_sql("-- SELECT * is banned.\nSELECT count(*), a * b, '*' FROM t\n"),),
    ),
    Rule(
        "lua-header",
        "comment lines first: the purpose, KEYS, ARGV with units, returns with every code",
        each(_SCRIPTS, _lua_header, but=_LIBRARIES),
        bad=(_lua("return 1\n"), _lua("-- Does.\n-- KEYS  1 a\n-- returns 1\nreturn 1\n")),
        good=(
            _lua("-- Does.\n-- KEYS  1 a\n-- ARGV  1 b\n-- returns 1\nreturn 1\n"),
            _lua("return 1\n", "src/tollbook/journal/scripts/lib/a.lua"),
        ),
    ),
    Rule(
        "lua-clock",
        "a time handed in ARGV, or the store's own clock in an id or an expiry",
        each(_SCRIPTS, _lua_clock),
        bad=(
            _lua("local t = redis.call('TIME')\n"),
            _lua('server.pcall( "time" )\n'),
            _lua("x = os.time()\n"),
        ),
        good=(_lua("-- no redis.call('TIME') here\nredis.call('PEXPIREAT', KEYS[1], ARGV[1])\n"),),
    ),
    Rule(
        "lua-built-key",
        "every key in KEYS, so that a cluster and an ACL can see it",
        each(_SCRIPTS, _lua_built_keys),
        bad=(
            _lua("redis.call('GET', 'spend:' .. ARGV[1])\n"),
            _lua("redis.pcall('HGET', KEYS[1] .. ':x', 'a')\n"),
            _lua("local k = ARGV[1] .. ':x'\nredis.call('DEL', k)\n"),
        ),
        good=(_lua("redis.call('HGET', KEYS[1 + #ARGV], m .. ':p')\nlocal m = 'a' .. b\n"),),
    ),
)
