"""What a question may be: one SELECT over the run's tables, which calls nothing that reads anything else.

It is DuckDB's own parser that reads it, into a tree, in which every table and every function that makes one
is looked up. So a question reaches no file, no address and no pointer even before the settings forbid it.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

TABLE_FUNCTIONS = ("generate_series", "range", "unnest")
"""Those that make rows from their arguments alone."""

KEPT_BACK = ("current_setting",)
"""Functions that tell of this machine, such as its folders."""

LONGEST = 10_000
"""Characters of a statement."""


def tables_of(connection: Any, sql: str, tables: Collection[str]) -> list[str]:
    """Return the names of the tables that a statement reads, as the run has them.

    connection: a DuckDB connection, which parses it.
    tables: those that there are.
    ValueError where it is no single SELECT, or reads or calls something that it may not.
    """
    if len(sql) > LONGEST:
        raise ValueError(f"the statement has {len(sql):,} characters; {LONGEST:,} are the most")
    ((parsed,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    tree = json.loads(parsed)
    if tree["error"]:
        raise ValueError(_said_of(tree))
    if len(tree["statements"]) != 1:
        raise ValueError(f"one SELECT is answered at a time, not {len(tree['statements'])} statements")
    named = {name.lower(): name for name in tables}
    own = {key.lower() for key in _with_names(tree)}
    used = []
    for node in _nodes(tree):
        if str(node.get("function_name", "")).lower() in KEPT_BACK:
            raise ValueError(f"the function {node['function_name']!r} is not for questions to a store")
        if node.get("type") == "TABLE_FUNCTION":
            _check_function(node["function"])
        elif node.get("type") in ("BASE_TABLE", "SHOW_REF"):
            path = [part for part in (node.get("qualified_name") or {}).get("path", []) if part]
            name = path[0].lower() if len(path) == 1 else ""
            if name in named:
                used.append(named[name])
            elif (path or node.get("table_name")) and name not in own:
                asked = ".".join(path) or node["table_name"].strip('"')
                raise ValueError(f"there is no table {asked!r}; tables are {', '.join(tables)}")
    return list(dict.fromkeys(used))


def _check_function(function: dict[str, Any]) -> None:
    name = str(function.get("function_name", "")).lower()
    if function.get("schema") or function.get("catalog") or name not in TABLE_FUNCTIONS:
        raise ValueError(
            f"rows can't come from the function {name!r}; they come from the run's tables, or from "
            f"{', '.join(TABLE_FUNCTIONS)}"
        )


def _said_of(tree: dict[str, Any]) -> str:
    if tree.get("error_type") == "not implemented":
        return "only a SELECT is answered: nothing can be written, attached, installed or set"
    return f"the statement can't be read: {tree.get('error_message') or 'it is empty'}"


def _with_names(tree: Any) -> Iterator[str]:
    """Yield the names that WITH gives."""
    for node in _nodes(tree):
        yield from (each["key"] for each in (node.get("cte_map") or {}).get("map", []))
        if node.get("type") == "RECURSIVE_CTE_NODE":
            yield str(node.get("cte_name", ""))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the tree, at any depth."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
