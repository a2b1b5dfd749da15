"""All errors of an unusable file are reported at once."""

from __future__ import annotations

import pytest

from policy.loader import load
from policy.yaml_file import MOST_BYTES
from tests.policy.texts import POLICY, changed, errors_of

UNREADABLE = "it has a number or an escape that can't be read"
FILES = [
    ("an empty file", b"", [(1, "the file is empty")]),
    ("a file of comments", b"# rules\n", [(1, "the file is empty")]),
    ("a list", b"- a\n", [(1, "a policy is a list: must be a mapping (key: value)")]),
    ("another encoding", b"rules:\n  - \xff", [(2, "this is not UTF-8")]),
    ("a control character", b"a\nb: \x00", [(2, "the character U+0000 is not allowed here")]),
    (
        "a tab",
        b"rules:\n\t- a",
        [(2, "this is not YAML: found character '\\t' that cannot start any token")],
    ),
    (
        "a list that does not end",
        b"a: [\n",
        [(2, "this is not YAML: expected the node content, but found '<stream end>'")],
    ),
    (
        "an endless number",
        b"%YAML 1." + b"1" * 5000 + b"\n---\na",
        [(1, f"this is not YAML: {UNREADABLE}")],
    ),
    (
        "a character that there is not",
        b'a:\n "\\UFFFFFFFF"',
        [(2, f"this is not YAML: {UNREADABLE}")],
    ),
    (
        "half a character",
        b'rules: "\\ud800"',
        [
            (1, "a text contains U+D800, which is invisible: remove it"),
            (1, '"rules" is "\ud800": must be a list, for example [a, b]'),
        ],
    ),
    ("a depth", b"[" * 500, [(1, "this is nested more than 12 levels deep")]),
    (
        "too much",
        b"#" * (MOST_BYTES + 1),
        [(1, "the file has 1048577 bytes; the most is 1048576")],
    ),
    ("no rules", b"aliases: {j@x.y: [a@b.c]}", [(1, 'a policy needs "rules"')]),
    ("rules that are none", b"rules: []", [(1, '"rules" is empty: add an entry')]),
    (
        "as much as may be",
        b"rules: []\n".ljust(MOST_BYTES, b"#"),
        [(1, '"rules" is empty: add an entry')],
    ),
    (
        "a key that is a list",
        b"? [a]\n: b\nrules: []",
        [
            (1, "a key is a list or a mapping: must be text"),
            (3, '"rules" is empty: add an entry'),
        ],
    ),
    (
        "a second document",
        b"rules: []\n---\n",
        [(2, "a second document begins here: only one is allowed")],
    ),
    ("an anchor", b"rules: &a []", [(1, "&a is a YAML anchor: remove it")]),
    ("an alias", b"rules:\n  *a", [(2, "*a is a YAML alias: write its value out")]),
    (
        "a tag",
        b"rules: !!python/object:os.system []",
        [(1, "tag:yaml.org,2002:python/object:os.system is a YAML tag: remove it")],
    ),
    (
        "a comment that runs backwards",
        "#\n# \u202e".encode(),
        [(2, "U+202E RIGHT-TO-LEFT OVERRIDE makes a line look different: remove it")],
    ),
]


@pytest.mark.parametrize(
    ("data", "expected"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_invalid_file_is_reported(data: bytes, expected: list[tuple[int, str]]) -> None:
    """Any content gives a line and a message."""
    assert errors_of(data) == expected


def test_all_errors_are_reported_at_once_by_line() -> None:
    """From the first line to the last; nothing is deployed."""
    data = (
        changed("name: DBAs", "name: 1")
        .replace(b"3h", b"3 months")
        .replace(b"deny: true", b"deny: maybe\n    when: {on_call: {schedules: any}}")
        .replace(b"jane@", b"jane")
    )
    loaded = load(data)
    assert [each.line for each in loaded.errors] == [2, 5, 6, 8, 11]
    assert loaded.body == {}


def test_two_rules_of_one_line_have_two_names() -> None:
    """The line alone does not tell rules apart."""
    rule = "{name: a, resources: any, deny: true}"
    assert errors_of(f"rules: [{rule}, {rule}]".encode()) == [
        (1, 'the rule in line 1 has the same name, "a": names must be unique')
    ]


def test_more_rules_than_the_log_holds_are_refused() -> None:
    """A decision that cannot be logged completely cannot be replayed."""
    rule = "  - {{name: r{0}, resources: any, deny: true}}\n"
    rules = "".join(rule.format(number) for number in range(601))
    assert errors_of(f"rules:\n{rules}".encode()) == [
        (602, "the policy has 601 rules; the most is 600")
    ]
    assert load(f"rules:\n{rules}".replace(rule.format(600), "").encode()).errors == ()


def test_right_policy_has_no_errors() -> None:
    """The policy that the rows of this file change is valid."""
    assert load(POLICY.encode()).errors == ()
