"""One cold start: import the handler, have the call answered that ConductorOne has signed."""

import json
import os

from handler.app import handle

answer = handle(json.loads(os.environ["BENCH_EVENT"]), None)
if "replacePolicy" not in json.loads(answer["body"]):
    raise SystemExit(f"not approved: {answer}")
