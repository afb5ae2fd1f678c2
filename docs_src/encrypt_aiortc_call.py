from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection

from e2ecall import CallEstablished  # new
from e2ecall.media.aiortc_plugin import protect  # new


def start(camera: MediaStreamTrack, established: CallEstablished) -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    keys = established.frame_keys("Bob")  # new
    protect(pc, keys)  # new
    pc.addTrack(camera)
    pc.on("connectionstatechange", lambda: print(pc.connectionState))
    return pc  # the handler of "track", the offer and the answer stay as they are
