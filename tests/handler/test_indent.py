"""Indent's webhook protocol: reading calls, and writing answers."""

from __future__ import annotations

import json

import pytest

from handler.callers.base import Refusal, response
from handler.callers.indent import Indent, read_payload

BOT = {"kind": "indent.v1.Bot", "id": "a-bot"}


class TestPayload:
    """The first of `kinds`, `info` and `events` that is present decides which call it is."""

    @pytest.mark.parametrize(
        ("body", "name"),
        [
            ('{"info": true}', "GetInfo"),
            ('{"info": {}}', "GetInfo"),
            ('{"info": []}', "GetInfo"),
            ('{"info": {"a": 1}}', "GetInfo"),
            ('{"info": 1}', "GetInfo"),
            ('{"info": -0.5}', "GetInfo"),
            ('{"info": "false"}', "GetInfo"),
            ('{"info": " "}', "GetInfo"),
            ('{"kinds": []}', "PullUpdate"),
            ('{"kinds": ["indent.v1.Bot"]}', "PullUpdate"),
            ('{"kinds": [null]}', "PullUpdate"),
            ('{"kinds": [], "info": true, "events": []}', "PullUpdate"),
            ('{"kinds": ["x"], "flags": {}}', "PullUpdate"),
            ('{"kinds": null, "info": true}', "GetInfo"),
            ('{"kinds": false, "info": {}, "events": []}', "GetInfo"),
            ('{"info": false, "events": []}', "GetDecision"),
            ('{"kinds": "", "info": 0, "events": []}', "GetDecision"),
            ('{"events": []}', "GetDecision"),
            ('{"events": [{}]}', "GetDecision"),
            ('{"events": [null]}', "GetDecision"),
            ('{"events": [{"event": "access/approve"}]}', "GetDecision"),
            ('{"events": [{"event": "sso.login"}]}', "GetDecision"),
            ('{"events": [{"event": "access/grant/revoked"}]}', "GetDecision"),
            ('{"events": [{"event": "access/request"}], "else": 1}', "GetDecision"),
            ('{"events": [], "events": null, "info": true}', "GetInfo"),
        ],
    )
    def test_routing(self, body: str, name: str) -> None:
        """A field is present if its value is true in JavaScript, as `[]` and `{}` are."""
        assert read_payload(body.encode()).name == name

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            *(
                (body, "a body with none of kinds, info and events")
                for body in (
                    "{}",
                    '{"Info": true}',
                    '{"info": false}',
                    '{"info": 0}',
                    '{"info": 0.0}',
                    '{"info": -0}',
                    '{"info": ""}',
                    '{"info": null}',
                    '{"kinds": null, "info": null, "events": null}',
                    '{"kinds": 0, "info": "", "events": false}',
                )
            ),
            *(
                (body, "ApplyUpdate (access/grant, access/revoke)")
                for body in (
                    '{"events": [{"event": "access/grant"}]}',
                    '{"events": [{"event": "access/revoke"}]}',
                    '{"events": [{"event": "access/request"}, {"event": "access/grant"}]}',
                    '{"events": [{"event": "access/revoke"}, {"event": "access/request"}]}',
                )
            ),
        ],
    )
    def test_unsupported_calls(self, body: str, what: str) -> None:
        """Unsupported calls get a 404 that names the supported ones."""
        with pytest.raises(Refusal) as caught:
            read_payload(body.encode())
        assert caught.value.http == 404
        assert caught.value.message == (
            f"{what} isn't supported here; supported are: GetDecision, PullUpdate, GetInfo"
        )

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"{",
            b"{'info': true}",
            b'{"info": true} x',
            b'{"info": NaN}',
            b'{"info": Infinity}',
            b'{"info": -Infinity}',
            b'{"info": tru}',
            b'{"info": "\n"}',
            b'\xef\xbb\xbf{"info": true}',
            '{"info": true}'.encode("utf-16"),
            b'{"info": "\xff"}',
            b'{"info": "\xed\xa0\x80"}',
            b'{"info": ' + b"9" * 5000 + b"}",
            b"[" * 100_000,
            b'{"info":' * 100_000 + b"1" + b"}" * 100_000,
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_not_json(self, body: bytes) -> None:
        """A body that isn't UTF-8 or JSON, or is nested too deep, gets a 400."""
        with pytest.raises(Refusal) as caught:
            read_payload(body)
        assert caught.value.http == 400
        assert caught.value.message == "the body is not JSON in UTF-8"

    @pytest.mark.parametrize("body", ["null", "[]", "true", "1", '"info"', '[{"info": true}]'])
    def test_not_an_object(self, body: str) -> None:
        """JSON other than an object gets a 400."""
        with pytest.raises(Refusal) as caught:
            read_payload(body.encode())
        assert caught.value.http == 400
        assert caught.value.message == "the body is not a JSON object"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"kinds": True}, "kinds is not a list"),
            ({"kinds": "indent.v1.Bot"}, "kinds is not a list"),
            ({"kinds": {}}, "kinds is not a list"),
            ({"kinds": [1]}, "kinds is not a string"),
            ({"events": {}}, "events is not a list"),
            ({"events": "x"}, "events is not a list"),
            ({"events": [1]}, "events[0] is not an object"),
            ({"events": [{}, {"event": 1}]}, "events[1].event is not a string"),
            (
                {"events": [{"event": "access/grant"}, {"event": []}]},
                "events[1].event is not a string",
            ),
            (
                {"events": [{"event": "access/request", "actor": "jane"}]},
                "events[0].actor is not an object",
            ),
        ],
    )
    def test_wrong_types(self, body: object, message: str) -> None:
        """A field of a wrong type gets a 400 that names the field."""
        with pytest.raises(Refusal) as caught:
            read_payload(json.dumps(body).encode())
        assert caught.value.http == 400
        assert caught.value.message == message

    def test_content_of_a_call(self) -> None:
        """PullUpdate has the kinds; GetDecision has the requests, in order."""
        assert read_payload(b'{"kinds": ["a", "b", "a"]}').kinds == ("a", "b", "a")
        events = [
            {"event": "access/request", "actor": {"email": "jane@example.com"}},
            {"event": "access/approve", "actor": {"email": "mary@example.com"}},
            {"event": "access/request", "actor": {"email": "joan@example.com"}},
        ]
        call = read_payload(json.dumps({"events": events}).encode())
        emails = [event.actor.email for event in call.events]
        assert emails == ["jane@example.com", "joan@example.com"]
        assert call.kinds == ()

    @pytest.mark.parametrize("number", ["1e999", "-1e999", f"1{'0' * 400}.0"])
    def test_a_number_that_overflows(self, number: str) -> None:
        """A number that Python would read as infinity gets a 400."""
        with pytest.raises(Refusal) as caught:
            read_payload(f'{{"info": {number}}}'.encode())
        assert caught.value.http == 400


class TestAnswers:
    """The exact answers."""

    def test_response(self) -> None:
        """A response has status, content type, and a body of ASCII JSON."""
        assert response(200, {"reason": "é \ud800"}) == {
            "statusCode": 200,
            "headers": {"Content-Type": "application/json"},
            "body": '{"reason": "\\u00e9 \\ud800"}',
        }

    @pytest.mark.parametrize(
        ("http", "code"),
        [(400, 3), (401, 16), (404, 5), (405, 3), (413, 3), (500, 13), (503, 14)],
    )
    def test_failure(self, http: int, code: int) -> None:
        """Each HTTP status has its google.rpc code."""
        answer = Indent.failure(http, "a sentence", {}, None)
        assert answer["statusCode"] == http
        assert json.loads(answer["body"])["status"] == {"code": code, "message": "a sentence"}
        assert Refusal(http, "a sentence").why == "a sentence"
