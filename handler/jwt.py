"""JSON Web Tokens that are signed with RS256, and the keys that verify them. No I/O.

RFC 7515 (the signed form), 7517 and 7518 (keys), 7519 (tokens), 8017 (RSASSA-PKCS1-v1_5).
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Mapping

from handler.json_fields import ShapeError, as_object, get_list, get_str
from handler.typing import Any, NamedTuple

RS256 = "RS256"
# The least is from RFC 7518, 3.3. Longer keys than the most are not in use, and slow.
_LEAST_BITS, _MOST_BITS = 2048, 8192
_LEAST_EXPONENT, _MOST_EXPONENT = 3, 2**32 - 1
# RFC 8017, 9.2, note 1: the DER of a DigestInfo for SHA-256, before the digest itself.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_PARTS = 3


class TokenError(ValueError):
    """The text isn't a token. The message contains no part of it."""


class Token(NamedTuple):
    """A token in its parts, which are not verified.

    Attributes:
        header, claims: the first two parts.
        signed: the bytes that the signature covers.
        signature: the third part.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """The id of the key that the header names, or ""."""
        id_ = self.header.get("kid")
        return id_ if isinstance(id_, str) else ""


class RsaKey(NamedTuple):
    """A public key: modulus and exponent."""

    n: int
    e: int


def read_token(text: str) -> Token:
    """Split a token in its compact form (RFC 7515, 7.1).

    Raises:
        TokenError: it isn't a token, or its header has an extension, which isn't supported.
    """
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise TokenError("it does not have three parts")
    try:
        header, claims, signature = map(_decode, parts)
        token = Token(
            _object(header), _object(claims), text[: text.rindex(".")].encode(), signature
        )
    except (ValueError, RecursionError):
        raise TokenError("a part of it is malformed") from None
    if "crit" in token.header:
        raise TokenError("its header has extensions")
    return token


def read_keys(value: object) -> dict[str, RsaKey]:
    """Read the keys of a JWK set that can verify RS256, by their ids. Skip all others.

    Keys that share an id are skipped too, since the id doesn't show which one is meant.

    Raises:
        ShapeError: it isn't a JWK set.
    """
    keys: dict[str, set[RsaKey]] = {}
    for entry in get_list(as_object(value, "the key set"), "keys"):
        try:
            fields = entry if isinstance(entry, dict) else {}
            key_type, use, algorithm, key_id = (
                get_str(fields, name) for name in ("kty", "use", "alg", "kid")
            )
            verifies = fields.get("key_ops") is None or "verify" in get_list(fields, "key_ops")
            key = RsaKey(*(int.from_bytes(_decode(get_str(fields, name))) for name in ("n", "e")))
        except (ShapeError, ValueError):
            continue
        is_for_rs256 = key_type == "RSA" and use in {"", "sig"} and algorithm in {"", RS256}
        if key_id and is_for_rs256 and verifies and _is_strong(key):
            keys.setdefault(key_id, set()).add(key)
    return {key_id: values.pop() for key_id, values in keys.items() if len(values) == 1}


def verify_rs256(key: RsaKey, message: bytes, signature: bytes) -> bool:
    """Verify a signature as in RFC 8017, 8.2.2: encode the message, and compare all of it.

    Parsing the encoded message in the signature instead is what has allowed forgeries.
    """
    length = (key.n.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != length or number >= key.n:
        return False
    digest_info = _SHA256_PREFIX + hashlib.sha256(message).digest()
    padding = b"\xff" * (length - len(digest_info) - 3)
    encoded = b"\x00\x01" + padding + b"\x00" + digest_info
    return pow(number, key.e, key.n).to_bytes(length) == encoded


def _is_strong(key: RsaKey) -> bool:
    is_odd = key.n % 2 == key.e % 2 == 1
    has_length = _LEAST_BITS <= key.n.bit_length() <= _MOST_BITS
    return is_odd and has_length and _LEAST_EXPONENT <= key.e <= _MOST_EXPONENT


def _decode(text: str) -> bytes:
    """Decode base64url without padding, in the only form that an encoder produces.

    Raises:
        ValueError: it is something else, such as the same bytes in another form.
    """
    standard = text.replace("-", "+").replace("_", "/")
    data = binascii.a2b_base64(f"{standard}==")  # surplus padding is ignored
    encoded = binascii.b2a_base64(data, newline=False).rstrip(b"=")
    if encoded.translate(bytes.maketrans(b"+/", b"-_")).decode() != text:
        raise ValueError
    return data


def _object(part: bytes) -> dict[str, Any]:
    value = json.loads(part.decode(), parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - as for everything that can't be read
    return value


def _no_constant(_name: str) -> None:
    raise ValueError  # NaN and Infinity aren't JSON (RFC 8259, 6)
