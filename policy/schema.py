"""The JSON schemas of policy files and of their tests, by which editors complete and underline.

They are made of the grammar: `python -m policy.schema` writes them. They say what the loader says,
where a schema can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from handler.audit import MOST_RULES
from handler.rules.codec import LONGEST_NAME
from policy import grammar
from policy.case_file import MOST_CHARACTERS
from policy.diagnostics import DASHES, QUOTES, STARS
from policy.grammar import DUTIES, GROUPS, HAS_LEVELS, Shape, Type
from policy.loader import GRANT_KEYS
from policy.reader import ANY

Json = dict[str, Any]
FOLDER = Path(__file__).parent
# What `handler.characters.is_unseen` says, whatever Unicode version Python has.
_UNSEEN = (
    "\\u0000-\\u001f\\u007f-\\u00a0\\u00ad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f"
    "\\u0890-\\u0891\\u08e2\\u115f-\\u1160\\u1680\\u17b4-\\u17b5\\u180b-\\u180f\\u2000-\\u200f"
    "\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164\\ud800-\\uf8ff\\ufe00-\\ufe0f\\ufeff"
    "\\uffa0\\ufff0-\\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U00013441-\U00013442"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff"
)


def _ref(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


def _list_of(*items: Json) -> Json:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"allOf": [*items]}}


def _mapping(shape: Shape, **more: object) -> Json:
    """Describe a mapping of a shape; `more` narrows it."""
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "required": [key.name for key in shape.keys if key.required],
        "properties": {
            key.name: {"description": key.doc, "allOf": [_ref(key.type)]} for key in shape.keys
        },
        **more,
    }


def _groups(name: str) -> Json:
    return {key: {"items": _ref(name)} for key in GROUPS}


_TEXTS = _list_of(_ref(Type.TEXT), _ref("not_any"))
_DEFINITIONS: Mapping[str, Json] = {
    "unseen": {"description": "A character that cannot be seen.", "pattern": f"[{_UNSEEN}]"},
    "typographic": {
        "description": "Quotes around a text, dashes and asterisks that no keyboard writes.",
        "pattern": f"^[{QUOTES}]|[{QUOTES}]$|[{DASHES}{STARS}]|^([\"']).*\\1$",
    },
    "plain": {"not": _ref("typographic")},
    "not_any": {"not": {"pattern": "^[aA][nN][yY]$"}},
    "exact": {"not": {"pattern": "\\*"}},
    Type.TEXT: {"type": "string", "pattern": "^\\S(.*\\S)?$", "not": _ref("unseen")},
    Type.TEXTS: _TEXTS,
    Type.NAMES: {"anyOf": [{"const": ANY}, _ref(Type.TEXTS)]},
    Type.EXACT_TEXTS: {"allOf": [_ref(Type.TEXTS), {"items": _ref("exact")}]},
    Type.PATTERNS: {
        "allOf": [
            _ref(Type.TEXTS),
            {"items": {"allOf": [{"pattern": "[^*]"}, {"not": {"pattern": "[?\\[\\]]"}}]}},
        ]
    },
    Type.LABELS: {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _ref(Type.TEXT),
        "additionalProperties": _ref(Type.TEXT),
    },
    Type.EXACT_LABELS: {"allOf": [_ref(Type.LABELS), {"additionalProperties": _ref("exact")}]},
    Type.SWITCH: {"type": "boolean"},
    Type.LEVEL: {"type": "integer", "minimum": 1, "maximum": 999},
    Type.PROVIDER: {"type": "string", "examples": ["incidentio", "pagerduty"]},
    Type.INSTANT: {
        "description": "A time with its offset, such as 2026-11-24T10:00:00Z.",
        "type": "string",
    },
    Type.DURATION: {
        "description": "With units, for example 3h, 90m, 1h30m or 2 hours; whole seconds; at most "
        "168h.",
        "type": "string",
        "pattern": "^\\s*\\+?(0\\s*|([0-9]*\\.?[0-9]*\\s*(([wW](eek)?|[dD](ay)?|[hH](r|our)?|"
        "[mM](in|inute)?|[sS](ec|econd)?)s?|(m|u|\u00b5|\u03bc|n)s)\\s*)+)$",
    },
    Type.EMAIL: {
        "type": "string",
        "pattern": f"^(?!')[^\\s@*,;<>\"{QUOTES}]+@[^\\s@*,;<>\"'{QUOTES}]+$",
        "not": {"anyOf": [_ref("unseen"), _ref("typographic")]},
    },
    Type.EMAILS: _list_of(_ref(Type.EMAIL)),
    Type.DOMAINS: {
        "allOf": [
            _ref(Type.TEXTS),
            {"items": _ref("plain")},
            {"items": {"pattern": "^[^\\W_]([\\w-]*[^\\W_])?([.][^\\W_]([\\w-]*[^\\W_])?)*$"}},
        ]
    },
    # A policy.
    Type.ALIASES: {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _ref(Type.EMAIL),
        "additionalProperties": _ref(Type.EMAILS),
    },
    Type.RULES: {"type": "array", "minItems": 1, "maxItems": MOST_RULES, "items": _ref("a_rule")},
    "a_rule": _mapping(
        grammar.RULE,
        **{
            "if": {"properties": {"deny": {"const": True}}, "required": ["deny"]},
            "then": {
                "properties": {
                    **dict.fromkeys(GRANT_KEYS, False),
                    "resources": _ref("plain_selector"),
                    "when": _ref("without_duties"),
                }
            },
            "else": {
                "required": ["when", "duration"],
                "properties": {"when": _ref("needs_duty")},
            },
        },
    ),
    Type.RULE_NAME: {
        "allOf": [_ref(Type.TEXT), {"not": {"pattern": "@"}}],
        "maxLength": LONGEST_NAME,
    },
    Type.SELECTOR: {"anyOf": [{"const": ANY}, _mapping(grammar.SELECTOR)]},
    "plain_selector": {
        "properties": {
            "kinds": {"items": _ref("plain")},
            "ids": {"items": _ref("plain")},
            "labels": {"propertyNames": _ref("plain"), "additionalProperties": _ref("plain")},
        }
    },
    Type.SHIFT_END: {"anyOf": [{"type": "boolean"}, _mapping(grammar.SHIFT_END)]},
    Type.GRACE: _ref(Type.DURATION),
    # Groups are nested once.
    Type.CONDITION: {
        "allOf": [_ref("any_condition")],
        "properties": _groups("inner_condition"),
    },
    "inner_condition": {
        "allOf": [_ref("any_condition")],
        "properties": _groups("single_condition"),
    },
    "single_condition": {
        "allOf": [_ref("any_condition")],
        "properties": dict.fromkeys(GROUPS, False),
    },
    "any_condition": _mapping(grammar.CONDITION, maxProperties=1),
    Type.CONDITIONS: {"type": "array", "minItems": 1},
    Type.ON_CALL: _mapping(
        grammar.ON_CALL,
        dependencies={
            "max_level": {
                "required": ["provider"],
                "properties": {"provider": {"const": HAS_LEVELS}},
            }
        },
    ),
    Type.INCIDENT_ROLE: _mapping(grammar.INCIDENT_ROLE),
    Type.REQUESTER: _mapping(grammar.REQUESTER),
    Type.REQUESTED_DURATION: _mapping(grammar.REQUESTED_DURATION),
    "needs_duty": {
        "anyOf": [
            *({"required": [key]} for key in DUTIES),
            {"required": ["any"], "properties": {"any": {"items": _ref("needs_duty")}}},
            {"required": ["all"], "properties": {"all": {"contains": _ref("needs_duty")}}},
        ]
    },
    "without_duties": {
        "properties": {
            **dict.fromkeys(DUTIES, False),
            **_groups("without_duties"),
        }
    },
    # The tests of a policy.
    Type.CASES: {"type": "array", "minItems": 1, "items": _mapping(grammar.CASE)},
    Type.CASE_NAME: {"allOf": [_ref(Type.TEXT)], "maxLength": MOST_CHARACTERS},
    Type.LONG_DURATION: _ref(Type.DURATION),
    Type.RESOURCES: {
        "anyOf": [
            _ref("resource"),
            {"type": "array", "minItems": 1, "items": _ref("resource")},
        ]
    },
    "resource": _mapping(grammar.RESOURCE),
    Type.SAYINGS: {"type": "array", "minItems": 1, "items": _mapping(grammar.SAYING)},
    Type.DUTY_ON_CALL: _mapping(grammar.DUTY_ON_CALL),
    Type.SHIFT_UNTIL: {"type": "string"},
    Type.DUTY_ROLE: _mapping(grammar.DUTY_ROLE),
    Type.FAILURE: _mapping(grammar.FAILURE),
    Type.EXPECTED: {
        "type": "object",
        "required": ["approved"],
        "properties": {"approved": _ref(Type.SWITCH)},
        "if": {"properties": {"approved": {"const": True}}},
        "then": _mapping(
            grammar.EXPECTED_YES,
            required=["duration"],
            oneOf=[{"required": ["rule"]}, {"required": ["rules"]}],
        ),
        "else": _mapping(grammar.EXPECTED_NO),
    },
    Type.RULE: _ref(Type.TEXT),
    Type.RULE_LIST: _ref(Type.TEXTS),
}


def schemas() -> dict[str, str]:
    """Give each schema, by the name of its file."""
    policy = (
        "Which duties open which resources, and for how long. make policy-test checks more than "
        "this schema can say."
    )
    tests = "Who asks for what and when, what the providers say, and what has to come of it."
    return {
        "schema.json": _schema("A policy of on-call approvals", policy, grammar.POLICY),
        "test.schema.json": _schema("The tests of a policy", tests, grammar.TESTS),
    }


def _schema(title: str, description: str, shape: Shape) -> str:
    """Write the schema of a file, with the definitions that it refers to."""
    root = _mapping(shape)
    used: dict[str, None] = {}
    todo = [*_references(root)]
    while todo:
        name = todo.pop()
        if name not in used:
            used[name] = None
            todo += _references(_DEFINITIONS[name])
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "description": description,
        **root,
    }
    definitions = {str(name): one for name, one in _DEFINITIONS.items() if name in used}
    return f'{{\n{_lines(head)},\n"definitions": {{\n{_lines(definitions)}\n}}\n}}\n'


def _lines(values: Json) -> str:
    return ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


if __name__ == "__main__":
    for file, text in schemas().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
