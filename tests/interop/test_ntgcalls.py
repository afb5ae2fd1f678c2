"""Telegram's exchange and packets, live against ntgcalls 3.0.5: another code base, in C++, in both roles.

In a process of their own: ntgcalls and PyAV, both with native media code, do not live together in one.
"""

import asyncio
import functools
import os

import pytest

from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import VerificationFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Kind, PacketKeys, accept_call, request_call
from e2ecall.handshake.telegram.channel import PacketChannel
from e2ecall.handshake.telegram.signalling import (
    DtlsFingerprint,
    InitialSetup,
    UnknownSignal,
    build_signal,
    parse_signal,
)
from e2ecall.sas import emoji
from e2ecall.secret import SecretBytes
from tests.support.telegram import GROUP

if "E2ECALL_INTEROP" not in os.environ:
    pytest.skip("ntgcalls needs a process of its own: make interop", allow_module_level=True)
ntgcalls = pytest.importorskip("ntgcalls", reason="ntgcalls is not installed: make interop")

RNG = SystemRng()
PEER = 7
SECONDS = 10.0


def live(test):
    """Run on an event loop of its own, and not for ever: one of the two may wait for what never comes."""

    @functools.wraps(test)
    def run(**arguments):
        asyncio.run(asyncio.wait_for(test(**arguments), SECONDS))

    return run


def dh_config():
    return ntgcalls.DhConfig(GROUP.g, GROUP.p.to_bytes(256, "big"), os.urandom(256))


async def other(g_a_hash=None):
    """(ntgcalls with one call, its first message: g_a_hash of a caller, g_b of a callee)."""
    nt = ntgcalls.NTgCalls()
    await nt.create_p2p_call(PEER)
    return nt, bytes(await nt.init_exchange(PEER, dh_config(), g_a_hash))


def ours(result):
    return "".join(each.char for each in emoji(result.sas))


async def theirs(nt):
    """Joined: a flag and a keycap are two code points, and come as two."""
    return "".join(await nt.get_emojis_fingerprint(PEER))


@pytest.mark.clause("telegram.2-1", "telegram.2-6", "telegram.3-1")
@live
async def test_this_side_calls():
    caller = request_call(GROUP, RNG)
    nt, g_b = await other(caller.g_a_hash)
    confirmation = caller.receive_accept(g_b)
    await nt.exchange_keys(PEER, confirmation.g_a, confirmation.key_fingerprint)
    assert await theirs(nt) == ours(confirmation.result)


@pytest.mark.clause("telegram.2-2", "telegram.2-6", "telegram.3-1")
@live
async def test_this_side_is_called():
    nt, g_a_hash = await other()
    callee = accept_call(g_a_hash, GROUP, RNG)
    auth = await nt.exchange_keys(PEER, callee.g_b, 0)
    result = callee.receive_confirm(bytes(auth.g_a_or_b), auth.key_fingerprint)
    assert await theirs(nt) == ours(result)


@pytest.mark.clause("telegram.2-4")
@live
async def test_both_refuse_another_value_than_the_committed_one():
    caller, swapped = request_call(GROUP, RNG), request_call(GROUP, RNG)
    nt, g_b = await other(caller.g_a_hash)
    wrong = swapped.receive_accept(g_b)
    with pytest.raises(ntgcalls.CryptoError):
        await nt.exchange_keys(PEER, wrong.g_a, wrong.key_fingerprint)

    nt, _ = await other()
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    auth = await nt.exchange_keys(PEER, callee.g_b, 0)
    with pytest.raises(VerificationFailed, match="committed"):
        callee.receive_confirm(bytes(auth.g_a_or_b), auth.key_fingerprint)


@pytest.mark.clause("telegram.2-5")
@live
async def test_both_refuse_another_fingerprint():
    caller = request_call(GROUP, RNG)
    nt, g_b = await other(caller.g_a_hash)
    confirmation = caller.receive_accept(g_b)
    with pytest.raises(ntgcalls.CryptoError):
        await nt.exchange_keys(PEER, confirmation.g_a, confirmation.key_fingerprint ^ 1)

    nt, g_a_hash = await other()
    callee = accept_call(g_a_hash, GROUP, RNG)
    auth = await nt.exchange_keys(PEER, callee.g_b, 0)
    with pytest.raises(VerificationFailed, match="fingerprint"):
        callee.receive_confirm(bytes(auth.g_a_or_b), auth.key_fingerprint ^ 1)


@pytest.mark.clause("telegram.4-1", "telegram.4-2", "telegram.4-8")
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("version", ["8.0.0", "9.0.0"])
@live
async def test_signalling_packets_both_ways(role, version):
    key = SecretBytes(os.urandom(256))
    channel = PacketChannel(PacketKeys(key, role, Kind.SIGNALLING), Kind.SIGNALLING)
    nt = ntgcalls.NTgCalls()
    await nt.create_p2p_call(PEER)
    loop, packets = asyncio.get_running_loop(), asyncio.Queue()
    nt.on_signaling_data(lambda _, data: loop.call_soon_threadsafe(packets.put_nowait, bytes(data)))
    await nt.skip_exchange(PEER, bytes(key.expose()), role is Role.CALLEE)
    connecting = asyncio.ensure_future(nt.connect_p2p(PEER, [], [version], True, None))
    try:
        said = []
        if role is Role.CALLER:  # whoever called says its setup first
            fingerprint = DtlsFingerprint("sha-256", "actpass", ":".join(["AB"] * 32))
            channel.send(build_signal(InitialSetup("abcd", "a" * 24, (fingerprint,))), loop.time())
        while channel.unacknowledged or not any(isinstance(each, InitialSetup) for each in said):
            for packet in channel.packets_to_send(loop.time()):
                await nt.send_signaling_data(PEER, packet)
            said += [parse_signal(each) for each in channel.receive(await packets.get(), loop.time())]
        (setup,) = [each for each in said if isinstance(each, InitialSetup)]
        assert [len(each.digest()) for each in setup.fingerprints] == [32]
        assert not any(isinstance(each, UnknownSignal) for each in said)
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await nt.stop(PEER)
