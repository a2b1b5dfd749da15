"""Makes the JSON schemas of policy files and their tests, which editors use.

`python -m policy.schema` writes them from the grammar. They agree with the loader as far as a
schema can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handler.audit import MOST_RULES
from handler.providers.registry import BY_ID
from handler.rules.codec import LONGEST_NAME
from policy import grammar
from policy.case_file import MOST_CHARACTERS
from policy.diagnostics import DASHES, QUOTES, STARS
from policy.grammar import DUTIES, GROUPS, HAS_LEVELS, Shape
from policy.loader import GRANT_KEYS
from policy.yaml_values import ANY

Json = dict[str, Any]
FOLDER = Path(__file__).parent
# The same as `handler.characters.is_unseen`, independent of Python's Unicode version.
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
    """Describe a mapping of a shape; `more` restricts it."""
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


_TEXTS = _list_of(_ref("text"), _ref("not_any"))
_SHARED: Mapping[str, Json] = {
    "unseen": {"description": "An invisible character.", "pattern": f"[{_UNSEEN}]"},
    "typographic": {
        "description": "Quotes around a text, and dashes and asterisks that no keyboard types.",
        "pattern": f"^[{QUOTES}]|[{QUOTES}]$|[{DASHES}{STARS}]|^([\"']).*\\1$",
    },
    "plain": {"not": _ref("typographic")},
    "not_any": {"not": {"pattern": "^[aA][nN][yY]$"}},
    "exact": {"not": {"pattern": "\\*"}},
    "no_email": {"not": {"pattern": "@"}},
    "text": {"type": "string", "pattern": "^\\S(.*\\S)?$", "not": _ref("unseen")},
    "texts": _TEXTS,
    "names": {"anyOf": [{"const": ANY}, _ref("texts")]},
    "exact_texts": {"allOf": [_ref("texts"), {"items": _ref("exact")}]},
    "patterns": {
        "allOf": [
            _ref("texts"),
            {"items": {"allOf": [{"pattern": "[^*]"}, {"not": {"pattern": "[?\\[\\]]"}}]}},
        ]
    },
    "labels": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _ref("text"),
        "additionalProperties": _ref("text"),
    },
    "exact_labels": {"allOf": [_ref("labels"), {"additionalProperties": _ref("exact")}]},
    "switch": {"type": "boolean"},
    "level": {"type": "integer", "minimum": 1, "maximum": 999},
    "provider": {"type": "string", "examples": ["incidentio", "pagerduty"]},
    "instant": {
        "description": "A time with its UTC offset, for example 2026-11-24T10:00:00Z.",
        "type": "string",
    },
    "duration": {
        "description": "With units, for example 3h, 90m, 1h30m or 2 hours; in whole seconds; "
        "at most 168h.",
        "type": "string",
        "pattern": "^\\s*\\+?(0\\s*|([0-9]*\\.?[0-9]*\\s*(([wW](eek)?|[dD](ay)?|[hH](r|our)?|"
        "[mM](in|inute)?|[sS](ec|econd)?)s?|(m|u|\u00b5|\u03bc|n)s)\\s*)+)$",
    },
    "email": {
        "type": "string",
        "pattern": f"^(?!')[^\\s@*,;<>\"{QUOTES}]+@[^\\s@*,;<>\"'{QUOTES}]+$",
        "not": {"anyOf": [_ref("unseen"), _ref("typographic")]},
    },
    "emails": _list_of(_ref("email")),
    "domains": {
        "allOf": [
            _ref("texts"),
            {"items": _ref("plain")},
            {"items": {"pattern": "^[^\\W_]([\\w-]*[^\\W_])?([.][^\\W_]([\\w-]*[^\\W_])?)*$"}},
        ]
    },
}
_OF_POLICIES: Mapping[str, Json] = {
    "aliases": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _ref("email"),
        "additionalProperties": _ref("emails"),
    },
    "identities": {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": dict.fromkeys((*grammar.CALLERS, *BY_ID), _ref("people")),
    },
    "people": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"allOf": [_ref("text"), _ref("plain"), _ref("exact"), _ref("no_email")]},
        "additionalProperties": _ref("email"),
    },
    "rules": {"type": "array", "minItems": 1, "maxItems": MOST_RULES, "items": _ref("a_rule")},
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
                "properties": {
                    "when": _ref("needs_duty"),
                    "resources": {"not": _ref("actions_alone")},
                },
            },
        },
    ),
    "rule_name": {
        "allOf": [_ref("text"), {"not": {"pattern": "@"}}],
        "maxLength": LONGEST_NAME,
    },
    "selector": {"anyOf": [{"const": ANY}, _mapping(grammar.SELECTOR)]},
    "plain_selector": {
        "properties": {
            "kinds": {"items": _ref("plain")},
            "ids": {"items": _ref("plain")},
            "actions": {"items": _ref("plain")},
            "labels": {"propertyNames": _ref("plain"), "additionalProperties": _ref("plain")},
        }
    },
    "actions_alone": {"type": "object", "required": ["actions"], "maxProperties": 1},
    "shift_end": {"anyOf": [{"type": "boolean"}, _mapping(grammar.SHIFT_END)]},
    "grace": _ref("duration"),
    # Groups are nested once.
    "condition": {
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
    "conditions": {"type": "array", "minItems": 1},
    "on_call": _mapping(
        grammar.ON_CALL,
        dependencies={
            "max_level": {
                "required": ["provider"],
                "properties": {"provider": {"const": HAS_LEVELS}},
            }
        },
    ),
    "incident_role": _mapping(grammar.INCIDENT_ROLE),
    "requester": _mapping(grammar.REQUESTER),
    "requested_duration": _mapping(grammar.REQUESTED_DURATION),
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
}
_OF_TESTS: Mapping[str, Json] = {
    "cases": {"type": "array", "minItems": 1, "items": _mapping(grammar.CASE)},
    "case_name": {"allOf": [_ref("text")], "maxLength": MOST_CHARACTERS},
    "person": {"anyOf": [_ref("email"), _mapping(grammar.PERSON)]},
    "long_duration": _ref("duration"),
    "resources": {
        "anyOf": [
            _ref("resource"),
            {"type": "array", "minItems": 1, "items": _ref("resource")},
        ]
    },
    "resource": _mapping(grammar.RESOURCE),
    "sayings": {"type": "array", "minItems": 1, "items": _mapping(grammar.SAYING)},
    "duty_on_call": _mapping(grammar.DUTY_ON_CALL),
    "shift_until": {"type": "string"},
    "duty_role": _mapping(grammar.DUTY_ROLE),
    "failure": _mapping(grammar.FAILURE),
    "expected": {
        "type": "object",
        "required": ["approved"],
        "properties": {"approved": _ref("switch")},
        "if": {"properties": {"approved": {"const": True}}},
        "then": _mapping(
            grammar.EXPECTED_YES,
            required=["duration"],
            oneOf=[{"required": ["rule"]}, {"required": ["rules"]}],
        ),
        "else": _mapping(grammar.EXPECTED_NO),
    },
    "rule": _ref("text"),
    "rule_list": _ref("texts"),
}


def schemas() -> dict[str, str]:
    """Return the schemas by file name."""
    return {
        "schema.json": _schema(
            "A policy of on-call approvals",
            "Which duties open which resources, and for how long. make policy-test checks more "
            "than this schema can.",
            grammar.POLICY,
            _OF_POLICIES,
        ),
        "test.schema.json": _schema(
            "The tests of a policy",
            "Requests, the providers' answers, and the expected decisions.",
            grammar.TESTS,
            _OF_TESTS,
        ),
    }


def _schema(title: str, description: str, shape: Shape, definitions: Mapping[str, Json]) -> str:
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "description": description,
        **_mapping(shape),
    }
    all_definitions = _lines({**_SHARED, **definitions})
    return f'{{\n{_lines(head)},\n"definitions": {{\n{all_definitions}\n}}\n}}\n'


def _lines(values: Mapping[str, object]) -> str:
    return ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())


if __name__ == "__main__":
    for file, text in schemas().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
