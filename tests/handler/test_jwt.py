"""Tokens: those that other libraries signed verify, and changed ones don't."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from handler.json_fields import ShapeError
from handler.jwt import RsaKey, TokenError, read_keys, read_token, verify_rs256
from tests.handler.strategies import STEADY

HERE = Path(__file__).parent
VECTOR = json.loads((HERE / "conductorone.json").read_text(encoding="utf-8"))
WYCHEPROOF = json.loads((HERE / "rsa_pkcs1_verify.json").read_text(encoding="utf-8"))
RSA_JWK = VECTOR["jwks"]["keys"][0]


def encoded(text: str) -> str:
    """Encode a text as a part of a token."""
    return pyjwt.utils.base64url_encode(text.encode()).decode()


def vector_token(algorithm: str = "RS256", kid: str = "t-rs") -> str:
    """The vector's token, signed with one of its three algorithms."""
    header = json.dumps({"alg": algorithm, "kid": kid, "typ": "JWT"}, separators=(",", ":"))
    signature = VECTOR["signatures"][algorithm]
    return f"{encoded(header)}.{encoded(VECTOR['claims'])}.{signature}"


def the_key() -> RsaKey:
    """The vector's RSA key."""
    return read_keys(VECTOR["jwks"])["t-rs"]


def verifies(text: str) -> bool:
    """Check whether the vector's key signed this token."""
    try:
        token = read_token(text)
    except TokenError:
        return False
    return verify_rs256(the_key(), token.signed, token.signature)


def test_the_vector() -> None:
    """The vector verifies, with its header and claims."""
    assert verifies(vector_token())
    token = read_token(vector_token())
    assert token.header == {"alg": "RS256", "kid": "t-rs", "typ": "JWT"}
    assert token.claims == json.loads(VECTOR["claims"])


def test_the_vector_is_of_its_key() -> None:
    """An independent library verifies the vector with the same key set."""
    key = pyjwt.PyJWKSet.from_dict(VECTOR["jwks"])["t-rs"]
    claims = pyjwt.decode(
        vector_token(),
        key,
        ["RS256"],
        audience="oncall.example.com",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims == json.loads(VECTOR["claims"])


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_other_signatures_do_not_verify(algorithm: str) -> None:
    """The vector's valid ES256 and EdDSA signatures don't verify as RS256."""
    assert not verifies(vector_token(algorithm))


def _wycheproof() -> Iterator[Any]:
    for group in WYCHEPROOF["groups"]:
        key = RsaKey(int(group["n"], 16), int(group["e"], 16))
        for test in group["tests"]:
            name = f"{test['tcId']} {test['comment']}"
            yield pytest.param(key, test, id=name)


@pytest.mark.parametrize(("key", "test"), [*_wycheproof()])
def test_wycheproof(key: RsaKey, test: Mapping[str, str]) -> None:
    """Of Wycheproof's signatures only the valid ones verify, not those merely acceptable."""
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    assert verify_rs256(key, message, signature) is (test["result"] == "valid")


@cache
def private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A newly made key."""
    return rsa.generate_private_key(65537, bits)


def jwk_of(key: rsa.RSAPrivateKey, **more: str) -> dict[str, Any]:
    """The public half of a key, as an independent library writes it."""
    return {**pyjwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}


@pytest.mark.parametrize("bits", [2048, 2056, 3072, 4096])
def test_keys_and_tokens_of_a_library(bits: int) -> None:
    """Keys and tokens of an independent library verify, for several key lengths."""
    key = private_key(bits)
    token = read_token(pyjwt.encode({"a": "ä"}, key, "RS256", {"kid": "k"}))
    (known,) = read_keys({"keys": [jwk_of(key, kid="k")]}).values()
    assert token.claims == {"a": "ä"}
    assert verify_rs256(known, token.signed, token.signature)
    assert not verify_rs256(known, token.signed + b"x", token.signature)
    assert not verify_rs256(the_key(), token.signed, token.signature)


@STEADY
@given(st.data())
def test_no_changed_token_verifies(data: st.DataObject) -> None:
    """A token with any character changed, removed or added doesn't verify."""
    good = vector_token()
    at = data.draw(st.integers(0, len(good)))
    put = data.draw(st.sampled_from(["", ".", "=", "+", "/", " ", "\n", "A", "B", "_", "-", "é"]))
    end = at + data.draw(st.integers(0, 2))
    changed = good[:at] + put + good[end:]
    assert verifies(changed) is (changed == good)


def test_no_other_encoding_of_the_signature_verifies() -> None:
    """The last character's unused bits must be zero: no other encoding verifies."""
    good = vector_token()
    others = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") - {good[-1]}
    assert not any(verifies(good[:-1] + other) for other in others)
    assert not verifies(f"{good}==")


@STEADY
@given(st.binary(max_size=300))
def test_no_made_up_signature_verifies(signature: bytes) -> None:
    """No made-up signature verifies, or raises."""
    assert not verify_rs256(the_key(), b"message", signature)


@STEADY
@given(st.text() | st.lists(st.text()).map(".".join))
def test_no_text_raises_anything_else(text: str) -> None:
    """Any text is a token or raises TokenError; none verifies."""
    assert not verifies(text)


HEADER, NOTHING = encoded('{"alg":"RS256"}'), encoded("{}")
NO_NUMBERS = [
    encoded(f'{{"alg":"RS256","exp":{number}}}')
    for number in ("NaN", "Infinity", "-Infinity", "9" * 5000)
]
CRITICAL = encoded('{"alg":"RS256","crit":["exp"]}')


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a.b", f"{HEADER}.{NOTHING}", f"{HEADER}.{NOTHING}.AAAA.AAAA", "..", "é.é.é"),
        f"{HEADER}.{NOTHING}.A",
        f"{HEADER}.{NOTHING}.AB",
        f"{HEADER}.{NOTHING}.AA==",
        f"{HEADER}.{NOTHING}.++++",
        f"{encoded('[]')}.{NOTHING}.AAAA",
        f"{HEADER}.{encoded('7')}.AAAA",
        f"{HEADER}.{encoded('{')}.AAAA",
        f"{HEADER}.{encoded('[' * 100_000)}.AAAA",
        f"{HEADER}.gIA.AAAA",
        *(f"{HEADER}.{part}.AAAA" for part in NO_NUMBERS),
        *(f"{part}.{NOTHING}.AAAA" for part in NO_NUMBERS),
        f"{CRITICAL}.{NOTHING}.AAAA",
    ],
)
def test_malformed_tokens(text: str) -> None:
    """A malformed token is refused, with an error that doesn't quote it."""
    with pytest.raises(TokenError) as caught:
        read_token(text)
    assert str(caught.value) in {
        "it does not have three parts",
        "a part of it is malformed",
        "its header has extensions",
    }


def test_a_signature_is_decoded() -> None:
    """Signatures are decoded as base64url, with `-` and `_`."""
    assert read_token(f"{HEADER}.{NOTHING}.AAAX").signature == b"\0\0\x17"
    assert read_token(f"{HEADER}.{NOTHING}.-_8").signature == b"\xfb\xff"


def test_an_empty_signature_is_read() -> None:
    """An empty signature, as with `alg: none`, can be read but doesn't verify."""
    assert read_token(f"{HEADER}.{NOTHING}.").signature == b""
    assert not verifies(f"{HEADER}.{NOTHING}.")


NOT_TO_VERIFY: list[object] = [[], ["sign"], ["encrypt", "Verify"], "verify", 7, {}]


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "EC"},
        {"kty": None},
        {"use": "enc"},
        {"alg": "PS256"},
        *({"key_ops": value} for value in NOT_TO_VERIFY),
        {"kid": ""},
        {"kid": None},
        {"kid": 7},
        {"n": None},
        {"n": 7},
        {"n": "AQ"},
        {"n": f"{RSA_JWK['n']}="},
        {"e": None},
        {"e": "AQ"},
        {"e": "AAAA"},
        {"e": "Ag"},
        {"e": "AQAAAAE"},
        {"e": RSA_JWK["n"]},
    ],
)
def test_skipped_keys(change: Mapping[str, object]) -> None:
    """Keys for other uses, without an id, or weak ones are skipped; others count."""
    entries = [
        {**RSA_JWK, **change},
        {**RSA_JWK, "kid": "good"},
        "x",
        None,
        *VECTOR["jwks"]["keys"],
    ]
    assert read_keys({"keys": entries[:4]}).keys() == {"good"}
    assert read_keys({"keys": entries}).keys() == {"good", "t-rs"}


@pytest.mark.parametrize("bits", [1024, 2040])
def test_short_keys_are_skipped(bits: int) -> None:
    """Keys under 2048 bits are skipped, as in RFC 7518."""
    assert read_keys({"keys": [jwk_of(private_key(bits), kid="k")]}) == {}


@pytest.mark.parametrize("n", [2**2048, 2**8192 + 1])
def test_unusable_moduli_are_skipped(n: int) -> None:
    """Keys with an even or huge modulus are skipped."""
    assert read_keys({"keys": [{**RSA_JWK, "n": number(n)}]}) == {}


def number(value: int) -> str:
    """Encode a number as in a JWK."""
    return pyjwt.utils.base64url_encode(value.to_bytes((value.bit_length() + 7) // 8)).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"e": number(3)},
        {"e": number(2**32 - 1)},
        {"n": number(2**2047 + 1)},
        {"n": number(2**8192 - 1)},
    ],
)
def test_bounds_of_keys(change: Mapping[str, str]) -> None:
    """Keys just within the bounds are accepted."""
    assert read_keys({"keys": [{**RSA_JWK, **change}]}).keys() == {"t-rs"}


def test_optional_fields_of_a_key() -> None:
    """A key may omit its use, algorithm and operations."""
    bare = {name: RSA_JWK[name] for name in ("kty", "kid", "n", "e")}
    for more in ({}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"key_ops": None}):
        assert read_keys({"keys": [{**bare, **more}]}).keys() == {"t-rs"}


def test_two_keys_with_one_id() -> None:
    """If two different keys have one id, neither counts; a duplicate does.

    Keys that can't verify RS256 don't count as a second key.
    """
    other = jwk_of(private_key(), kid="t-rs")
    good = {**RSA_JWK, "kid": "good"}
    for entries in (
        *([RSA_JWK, other], [other, RSA_JWK], [RSA_JWK, other, RSA_JWK]),
        *([RSA_JWK, RSA_JWK, other], [RSA_JWK, {**RSA_JWK, "e": number(3)}]),
    ):
        assert read_keys({"keys": [*entries, good]}).keys() == {"good"}
    assert read_keys({"keys": [RSA_JWK, RSA_JWK]}) == {"t-rs": the_key()}
    assert read_keys({"keys": [RSA_JWK, {**other, "use": "enc"}]}) == {"t-rs": the_key()}


@pytest.mark.parametrize("value", [[], "x", 7, {"keys": {}}, {"keys": "x"}])
def test_malformed_key_sets(value: object) -> None:
    """A malformed key set is an error; an empty one has no keys."""
    with pytest.raises(ShapeError, match=r"^(the key set is not an object|keys is not a list)$"):
        read_keys(value)
    assert read_keys({}) == read_keys({"keys": []}) == read_keys(None) == {}
