from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection

from e2ecall.call.epochs import FrameKeys  # new
from e2ecall.call.one_to_one import CallEstablished  # new
from e2ecall.media.aiortc_plugin import protect  # new


def start(camera: MediaStreamTrack, established: CallEstablished) -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    keys = FrameKeys(established.result.keys.base_key, established.role)  # new
    protect(pc, keys)  # new
    pc.addTrack(camera)
    return pc  # the handler of "track", the offer and the answer stay as they are
