"""RTP payloads of VP9 (RFC 9628) and AV1 (RTP Payload Format For AV1, v1.0.0): packetizers and depacketizers.

Written from the two texts, with every choice that they leave open as an argument: what a sealed frame has to survive.
"""

from dataclasses import dataclass

# ------------------------------------------------------------------------------------------------------------ VP9, §4.2


@dataclass(frozen=True)
class Vp9Descriptor:
    """RFC 9628 §4.2: what an encoder tells of one frame."""

    inter: bool = False
    picture_id: int | None = None  # up to 15 bits; above 7 bits in two bytes
    flexible: bool = False
    references: tuple[int, ...] = ()  # P_DIFF, in flexible mode
    layer: tuple[int, int] | None = None  # temporal, spatial
    structure: bytes = b""  # a scalability structure, §4.2.1, in the first packet
    not_a_reference: bool = False  # Z

    def encode(self, *, begins, ends):
        structure = self.structure if begins else b""
        flags = [self.picture_id is not None, self.inter, self.layer is not None, self.flexible, begins, ends]
        out = bytes([sum(bit << 7 - n for n, bit in enumerate([*flags, bool(structure), self.not_a_reference]))])
        if self.picture_id is not None:
            wide = self.picture_id > 0x7F
            out += (self.picture_id | 0x8000).to_bytes(2, "big") if wide else bytes([self.picture_id])
        if self.layer is not None:
            temporal, spatial = self.layer
            out += bytes([temporal << 5 | spatial << 1 | (spatial > 0)])
            out += b"" if self.flexible else b"\x07"  # TL0PICIDX
        if self.flexible and self.inter:
            last = len(self.references) - 1
            out += bytes(difference << 1 | (n < last) for n, difference in enumerate(self.references))
        return out + structure


def vp9_packetize(frame, limit, descriptor):
    """Payloads of at most `limit` bytes; B in the first one, E in the last."""
    payloads, at = [], 0
    while at < len(frame):
        begins = at == 0
        room = limit - len(descriptor.encode(begins=begins, ends=True))
        front = descriptor.encode(begins=begins, ends=at + room >= len(frame))
        payloads.append(front + frame[at : at + room])
        at += room
    return payloads


def vp9_depacketize(payloads):
    """The frame from its B to its E."""
    frame = b""
    for n, payload in enumerate(payloads):
        start = _vp9_descriptor_length(payload)
        assert bool(payload[0] & 0x08) == (n == 0), "B"
        assert bool(payload[0] & 0x04) == (n == len(payloads) - 1), "E"
        frame += payload[start:]
    return frame


def _vp9_descriptor_length(payload):
    i, p, layers, f, _, _, v, _ = (bool(payload[0] & 0x80 >> n) for n in range(8))
    at = 1
    if i:
        at += 2 if payload[at] & 0x80 else 1
    if layers:
        at += 1 if f else 2
    if f and p:
        at += 1
        while payload[at - 1] & 1:
            at += 1
    if v:
        count, sizes, groups = payload[at] >> 5, payload[at] & 0x10, payload[at] & 0x08
        at += 1 + (4 * (count + 1) if sizes else 0)
        if groups:
            pictures, at = payload[at], at + 1
            for _ in range(pictures):
                at += 1 + (payload[at] >> 2 & 3)
    return at


# -------------------------------------------------------------------------------------------------------- AV1, §4.4, §5

DROPPED = {2, 8}  # temporal delimiters and tile lists SHOULD be removed; some senders remove padding (15) as well


@dataclass(frozen=True)
class Obu:
    """AV1 bitstream §5.3: header bytes without the size bit, the payload, and whether there was a size field."""

    header: bytes
    payload: bytes
    sized: bool

    @property
    def type(self):
        return self.header[0] >> 3 & 15


def leb128(value, *, at_least=1):
    """AV1 bitstream §4.10.5, in `at_least` bytes or as many as it takes."""
    out = []
    while value or len(out) < at_least:
        out.append(value & 0x7F)
        value >>= 7
    return bytes([byte | 0x80 for byte in out[:-1]] + out[-1:])


def read_leb128(data, at):
    value = 0
    for n in range(8):
        value |= (data[at + n] & 0x7F) << 7 * n
        if not data[at + n] & 0x80:
            return value, at + n + 1
    raise ValueError("more than 8 bytes of leb128")


def parse_obus(frame):
    """AV1 bitstream §5.3.1, strictly."""
    obus, at = [], 0
    while at < len(frame):
        first = frame[at]
        assert not first & 0x81, "forbidden or reserved bit"
        header = bytes([first & ~2]) + (frame[at + 1 : at + 2] if first & 4 else b"")
        at += len(header)
        size = len(frame) - at
        if first & 2:
            size, at = read_leb128(frame, at)
        assert at + size <= len(frame), "an OBU longer than the frame"
        obus.append(Obu(header, frame[at : at + size], bool(first & 2)))
        at += size
    return obus


def write_obu(obu, *, size_bytes):
    """In low-overhead format with a size field of that many bytes or more; 0: without one."""
    if not size_bytes:
        return obu.header + obu.payload
    return bytes([obu.header[0] | 2]) + obu.header[1:] + leb128(len(obu.payload), at_least=size_bytes) + obu.payload


def av1_packetize(frame, limit, *, counted, keep_sizes=False, dropped=frozenset(DROPPED), new_sequence=False):
    """§4.4, §4.5, §5: payloads of at most `limit` bytes.

    `counted`: W tells the number of elements, and the last of them has no length; otherwise W is 0 and all have one.
    `keep_sizes`: obu_has_size_field stays set, which is against a SHOULD.
    """
    size_bytes = 1 if keep_sizes else 0
    elements = [write_obu(obu, size_bytes=size_bytes) for obu in parse_obus(frame) if obu.type not in dropped]
    packets, packet, room = [], [], limit - 1  # a packet is [(bytes, continues, goes on)]
    for element in elements:
        at = 0
        while at < len(element):
            if room < 4 or (counted and len(packet) == 3):
                packets.append(packet)
                packet, room = [], limit - 1
            taken = element[at : at + room - 2]  # a length of up to two bytes in front
            packet.append((taken, at > 0, at + len(taken) < len(element)))
            at, room = at + len(taken), room - 2 - len(taken)
    packets.append(packet)
    payloads = []
    for n, packet in enumerate(packets):
        z, y, w = packet[0][1], packet[-1][2], len(packet) if counted else 0
        payload = bytes([z << 7 | y << 6 | w << 4 | (new_sequence and n == 0) << 3])
        for m, (taken, _, _) in enumerate(packet, 1):
            payload += b"" if m == w else leb128(len(taken))
            payload += taken
        payloads.append(payload)
    return payloads


def av1_depacketize(payloads, *, size_bytes, delimiter=False):
    """§4.4, §4.5: the OBUs again, with size fields of `size_bytes` bytes or more (0: without, for one OBU alone)."""
    obus, goes_on = [], False
    for payload in payloads:
        z, y, w = payload[0] & 0x80, payload[0] & 0x40, payload[0] >> 4 & 3
        assert bool(z) == goes_on, "Z is not the Y before it"
        assert not (payload[0] & 8 and z), "N in a packet that begins with a fragment"
        at, n = 1, 0
        while at < len(payload):
            n += 1
            length = len(payload) - at
            if n != w:
                length, at = read_leb128(payload, at)
            if n == 1 and z:
                obus[-1] += payload[at : at + length]
            else:
                obus.append(payload[at : at + length])
            at += length
        assert at == len(payload), "an element longer than its packet"
        assert w in (0, n), "W is not the number of elements"
        goes_on = bool(y)
    assert not goes_on, "the last fragment is missing"
    parsed = [obu for element in obus for obu in parse_obus(element) if obu.type not in DROPPED]
    assert size_bytes or len(parsed) == 1, "only the last OBU can do without a size"
    return (b"\x12\0" if delimiter else b"") + b"".join(write_obu(obu, size_bytes=size_bytes) for obu in parsed)
