"""Compares requests and objects with the table of the Bot API beside this file.

It knows names and types only: neither limits nor what a method does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

ARRAY = "Array of "


class DoesNotConform(AssertionError):
    """A request or an object is not as the Bot API describes it."""


class LoggedRequest(Protocol):
    """What the playground's log says of one request."""

    @property
    def method(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def files(self) -> Mapping[str, Any]: ...
    @property
    def response(self) -> Mapping[str, Any]: ...


@cache
def table() -> dict[str, Any]:
    """The table: ``methods`` and ``types`` by name."""
    read: dict[str, Any] = json.loads(Path(__file__).with_name("bot_api.json").read_text())
    return read


def check_object(type_name: str, value: Any) -> None:
    """Returns if the value is an object of this type.

    Raises:
        DoesNotConform: with every problem and where it is.
    """
    _raise_any(_problems(type_name, value, type_name))


def check_result(method: str, result: Any) -> None:
    """Returns if the method may return this.

    Raises:
        DoesNotConform: with every problem and where it is.
    """
    _raise_any(_problems_of_any(_method(method)["returns"], result, f"{method} ->"))


def check_request(method: str, params: Mapping[str, Any], files: Collection[str] = ()) -> None:
    """Returns if the method takes these parameters and files.

    Args:
        method: its name as the Bot API writes it.
        params: the values as a form (strings, objects as JSON) or a JSON body brings them.
        files: the names of the uploaded parts; a part that some value attaches
            (``attach://name``) is no parameter of its own.

    Raises:
        DoesNotConform: with every problem and where it is.
    """
    described = _method(method)["params"]
    text = json.dumps(dict(params), ensure_ascii=False)
    own_files = {name for name in files if f"attach://{name}" not in text}
    problems = [
        f"{method}: there is no parameter {name!r}"
        for name in sorted((set(params) | own_files) - set(described))
    ]
    for name, parameter in described.items():
        place = f"{method}.{name}"
        if name in own_files:
            if "InputFile" not in parameter["types"]:
                problems.append(f"{place}: takes no file")
        elif name in params:
            problems += _problems_of_sent(parameter["types"], params[name], place)
        elif parameter["required"]:
            problems.append(f"{place}: is required")
    _raise_any(problems)


def check_conversation(requests: Iterable[LoggedRequest]) -> None:
    """Returns if every request of a log, and every result in it, conforms.

    Raises:
        DoesNotConform: for the first that does not.
    """
    for request in requests:
        if request.method == "download":
            continue
        check_request(request.method, request.params, tuple(request.files))
        if request.response.get("ok"):
            check_result(request.method, request.response["result"])


def _method(name: str) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = table()["methods"]
    if name not in methods:
        raise DoesNotConform(f"there is no method {name!r}")
    return methods[name]


def _raise_any(problems: list[str]) -> None:
    if problems:
        raise DoesNotConform("\n".join(problems))


def _problems_of_sent(types: list[str], value: Any, place: str) -> list[str]:
    """Like ``_problems_of_any``, but a form's strings may stand for other values."""
    if "InputFile" in types and isinstance(value, str) and value.startswith("attach://"):
        return []
    problems = _problems_of_any(types, value, place)
    if problems and isinstance(value, str):
        try:
            return _problems_of_any(types, json.loads(value), place)
        except json.JSONDecodeError:
            pass
    return problems


def _problems_of_any(types: list[str], value: Any, place: str) -> list[str]:
    """No problem if the value is of one of the types, else those of the nearest type."""
    found = [_problems(type_name, value, place) for type_name in types]

    def distance(problems: list[str]) -> tuple[bool, int]:
        return any(one.startswith(f"{place}: {_kind(value)} is no") for one in problems), len(
            problems
        )

    return min(found, key=distance)


def _problems(type_name: str, value: Any, place: str) -> list[str]:
    if type_name.startswith(ARRAY):
        if not isinstance(value, list):
            return [f"{place}: {_kind(value)} is no {type_name}"]
        inner = type_name.removeprefix(ARRAY)
        return [
            problem
            for number, item in enumerate(value)
            for problem in _problems(inner, item, f"{place}[{number}]")
        ]
    plain = {"Integer": (int,), "Float": (int, float), "String": (str,), "Boolean": (bool,)}
    if type_name in plain:
        right = isinstance(value, plain[type_name])
        right &= isinstance(value, bool) == (type_name == "Boolean")
        return [] if right else [f"{place}: {_kind(value)} is no {type_name}"]
    if type_name not in table()["types"]:
        raise DoesNotConform(f"there is no type {type_name!r}")
    described = table()["types"][type_name]
    if "subtypes" in described:
        return _problems_of_any(described["subtypes"], value, place)
    if not isinstance(value, dict):
        return [f"{place}: {_kind(value)} is no {type_name}"]
    return _problems_of_fields(type_name, described["fields"], value, place)


def _problems_of_fields(
    type_name: str, fields: dict[str, Any], value: dict[str, Any], place: str
) -> list[str]:
    problems = [
        f"{place}: {type_name} has no field {name!r}" for name in value if name not in fields
    ]
    for name, field in fields.items():
        if name in value:
            problems += _problems_of_any(field["types"], value[name], f"{place}.{name}")
        elif field["required"]:
            problems.append(f"{place}.{name}: is required in {type_name}")
    return problems


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"
