"""What AuthZEN's schemas say of questions and answers.

`AUTHZEN_SCHEMAS` may name a folder with the specification's own files: `api/schemas` of
openid/authzen. They have no licence to be copied here. Without them, only our words for them apply.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_TEXT = {"type": "string"}
_ENTITY = {"type": "object", "required": ["type", "id"], "properties": {"type": _TEXT, "id": _TEXT}}
# Sections 6.1 and 6.2 of the Authorization API 1.0.
_IN_OUR_WORDS: Mapping[str, Mapping[str, Any]] = {
    "evaluation-request": {
        "type": "object",
        "required": ["subject", "action", "resource"],
        "properties": {
            "subject": _ENTITY,
            "action": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
            "resource": _ENTITY,
            "context": {"type": "object"},
        },
    },
    "evaluation-response": {
        "type": "object",
        "required": ["decision"],
        "properties": {"decision": {"type": "boolean"}, "context": {"type": "object"}},
    },
}


def _schema(name: str) -> Draft202012Validator:
    schemas = [_IN_OUR_WORDS[name]]
    if folder := os.environ.get("AUTHZEN_SCHEMAS"):
        file = Path(folder) / f"{name}.schema.json"
        schemas.append(json.loads(file.read_text(encoding="utf-8")))
    return Draft202012Validator({"allOf": schemas})


QUESTION_SCHEMA, ANSWER_SCHEMA = _schema("evaluation-request"), _schema("evaluation-response")
