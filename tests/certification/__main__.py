"""Deploys the fixture in the sandbox, sends each case, and prints the results."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

from handler.callers import EVALUATION, EVALUATIONS, METADATA
from sandbox.local_aws.program import PROJECT, ROOT
from sandbox.stack import Sandbox
from tests.certification.cases import BASIC, BATCH, JSON_TYPE, Answer, Case

POLICY = Path(__file__).with_name("policy.yaml")
PUBLIC_URL = "https://oncall.example.com"


@contextmanager
def fixture() -> Iterator[Sandbox]:
    """Run a sandbox with the scenario's policy, in which alice and bob are on call."""
    with tempfile.TemporaryDirectory(prefix="certify-") as name:
        folder = Path(name)
        for file in (ROOT / "Pulumi.yaml", POLICY, POLICY.with_name("policy.test.yaml")):
            shutil.copy(file, folder)
        (folder / "Pulumi.dev.yaml").write_text(
            f"config:\n  aws:region: us-west-2\n  {PROJECT}:AUTO_APPROVAL_POLICY: {POLICY.name}\n"
            f"  {PROJECT}:PUBLIC_URL: {PUBLIC_URL}\n",
            encoding="utf-8",
        )
        with Sandbox(folder) as sandbox:
            assert sandbox.double
            sandbox.double.add_schedule("Records")
            for person in ("alice", "bob"):
                sandbox.double.add_person(person.title(), f"{person}@example.com")
                sandbox.double.put_on_shift("Records", f"{person}@example.com")
            yield sandbox


def send(sandbox: Sandbox, case: Case) -> Answer:
    """Send a case unchanged."""
    headers = {
        "Authorization": f"Bearer {sandbox.authzen_token}",
        "Content-Type": JSON_TYPE,
        **case.headers,
    }
    return _answer("POST", sandbox.url, case.path, headers, case.payload)


def _answer(method: str, url: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    with requests.Session() as session:
        session.trust_env = False
        response = session.request(
            method, url.rstrip("/") + path, headers=headers, data=body, timeout=30
        )
    try:
        parsed = response.json()
    except ValueError:
        parsed = None
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, names, parsed)


def discover(sandbox: Sandbox) -> Iterator[tuple[str, str, bool]]:
    """Check the metadata; give the section, what is checked, and whether it holds."""
    answer = _answer("GET", sandbox.url, METADATA, {})
    body = answer.body if isinstance(answer.body, dict) else {}
    is_json = answer.headers.get("content-type", "").startswith(JSON_TYPE)
    yield "6.1", "metadata, without a token", answer.http == 200 and is_json
    yield "6.5", "the base URL", body.get("policy_decision_point") == PUBLIC_URL
    wanted = {EVALUATION: "access_evaluation_endpoint", EVALUATIONS: "access_evaluations_endpoint"}
    for path, name in wanted.items():
        yield "6.3", f"{name} is https", body.get(name) == PUBLIC_URL + path


def results(sandbox: Sandbox) -> Iterator[tuple[str, str, str, bool]]:
    """Send all cases; give the level, section and title, and whether it holds."""
    for level, cases in (("Basic Core", BASIC), ("Batch Core", BATCH)):
        for case in cases:
            yield level, case.section, case.title, case.check(send(sandbox, case))
    for section, title, holds in discover(sandbox):
        yield "Discovery", section, title, holds


def main() -> int:
    """Print each case, and fail if one doesn't hold."""
    failed = count = 0
    with fixture() as sandbox:
        for level, section, title, holds in results(sandbox):
            count, failed = count + 1, failed + (not holds)
            print(f"{'ok' if holds else 'FAILED':7}{level:12}{section:7}{title}", flush=True)
        host = urlsplit(sandbox.url).netloc
    print(f"\nOne exception: the function is called at http://{host}, not at {PUBLIC_URL}.")
    print(f"{count - failed} of {count} cases hold.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
