"""AuthZEN's own schema of an answer.

The file is the OpenID Foundation's, unchanged: `api/schemas` of openid/authzen.
"""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

_FILE = Path(__file__).with_name("evaluation-response.schema.json")
# Accepts one answer.
RESPONSE = Draft202012Validator(json.loads(_FILE.read_text(encoding="utf-8")))
