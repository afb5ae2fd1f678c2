"""Signalling messages of Telegram's calls as JSON values, and ways to change one place of them."""

import json

SHA256 = ":".join(f"{n:02X}" for n in range(32))
SETUP = {
    "@type": "InitialSetup",
    "ufrag": "abcd",
    "pwd": "p" * 24,
    "renomination": True,
    "fingerprints": [{"hash": "sha-256", "setup": "actpass", "fingerprint": SHA256}],
}
CANDIDATES = {"@type": "Candidates", "candidates": [{"sdpString": "candidate:1 1 udp 1 192.0.2.1 5000 typ host"}]}
STATE = {
    "@type": "MediaState",
    "muted": True,
    "lowBattery": True,
    "videoState": "suspended",
    "videoRotation": 270,
    "screencastState": "active",
}
CHANNELS = {
    "@type": "NegotiateChannels",
    "exchangeId": "4294967295",
    "contents": [
        {
            "type": "video",
            "ssrc": "4294967295",
            "ssrcGroups": [{"semantics": "FID", "ssrcs": ["1", "2"]}],
            "payloadTypes": [
                {
                    "id": 127,
                    "name": "VP8",
                    "clockrate": 90000,
                    "channels": 2,
                    "feedbackTypes": [{"type": "nack", "subtype": ""}],
                    "parameters": {"apt": "96", "": "111/111"},
                }
            ],
            "rtpExtensions": [{"id": 3, "uri": "urn:x"}],
        }
    ],
}
KNOWN = [SETUP, CANDIDATES, STATE, CHANNELS]


def packed(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def changed(value, path, new):
    """A copy of `value` with `new` at `path`; the member is dropped where `new` is ... itself."""
    value = json.loads(json.dumps(value))
    place = value
    for step in path[:-1]:
        place = place[step]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return value


def places(value, path=()):
    """The path of every object of a message."""
    if isinstance(value, dict):
        yield path
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key != "parameters":
                yield from places(inner, (*path, key))


def members(value):
    return [
        (*path, key) for path in places(value) for key in (value if not path else at(value, path)) if key != "@type"
    ]


def at(value, path):
    for step in path:
        value = value[step]
    return value


def shown(message, path):
    return message["@type"] + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


EVERY = [(message, path) for message in KNOWN for path in members(message)]
