"""A guest made of aiortc: joins by a link, rings the inviter, takes every call of theirs, sends a picture and a tone.

    aiortc_peer.py LINK FINGERPRINT [--codec NAME] [--send PATH --hash BLAKE3] [--save FOLDER] [--lite]

Prints one JSON object a line: what happens, and twice a second what arrives. Speaks as docs/signaling.md and
docs/file-transfer.md say, and ends with the session.
"""

import argparse
import asyncio
import fractions
import json
import os
import traceback
from urllib.parse import urlsplit

import aiohttp
import aioice
import numpy
from aioice.ice import CandidatePair
from aiortc import rtcicetransport
from aiortc import MediaStreamTrack, VideoStreamTrack
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame, VideoFrame

RATE = 48_000
TONE_HZ = 440
# Bytes of a file in one message, and how many may wait in the channel.
PIECE = 16 * 1024
HIGH = 256 * 1024


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Tone(MediaStreamTrack):
    """20 ms of sound at a time, paced by the wall clock."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.began = None

    async def recv(self):
        now = asyncio.get_running_loop().time
        self.began = self.began or now()
        await asyncio.sleep(max(0, self.began + self.sent / RATE - now()))
        at = numpy.arange(self.sent, self.sent + RATE // 50)
        wave = (12_000 * numpy.sin(2 * numpy.pi * TONE_HZ * at / RATE)).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = self.sent, RATE, fractions.Fraction(1, RATE)
        self.sent += len(at)
        return frame


class Picture(VideoStreamTrack):
    """A white bar that wanders over an orange ground."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = numpy.full((480, 640, 3), (255, 140, 0), numpy.uint8)
        left = pts // 750 % 600
        picture[:, left : left + 40] = 255
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Seen:
    """What has arrived since the call's start."""

    def __init__(self):
        self.video = {"frames": 0, "width": 0, "height": 0}
        self.audio = {"frames": 0, "tone_hz": 0, "level": 0}

    async def watch(self, track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.video = {"frames": self.video["frames"] + 1, "width": frame.width, "height": frame.height}
                else:
                    self.listen(frame)
        except MediaStreamError:
            tell("track_ended", kind=track.kind)

    def listen(self, frame):
        """Frequency by the times the left channel goes from below to above zero within this frame's 20 ms."""
        left = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0].astype(numpy.int32)
        rises = numpy.nonzero((left[:-1] < 0) & (left[1:] >= 0))[0]
        hz = (len(rises) - 1) * frame.sample_rate / (rises[-1] - rises[0]) if len(rises) > 1 else 0
        self.audio = {"frames": self.audio["frames"] + 1, "tone_hz": float(hz), "level": int(abs(left).max())}

    async def report(self):
        while True:
            await asyncio.sleep(0.5)
            tell("stats", video=self.video, audio=self.audio)


class Lite(aioice.Connection):
    """Only answers checks, as a server in the open may (RFC 8445 §2.5), and takes the pair the other side nominates."""

    # The other side controls, whoever has offered. By that aiortc also chooses its part in SCTP, so it stays known.
    ice_controlling = property(lambda _: False, lambda self, offers: setattr(self, "offers", offers))

    def check_periodic(self):
        for pair in self._check_list:
            if pair.state == CandidatePair.State.FROZEN:
                pair.state = CandidatePair.State.WAITING
        return not self._check_list_done

    async def check_start(self, pair):
        """A check of the other side has come over this pair; a full agent would check it in turn."""
        pair.nominated = pair.remote_nominated
        self.check_state(pair, CandidatePair.State.SUCCEEDED)
        self.check_complete(pair)

    async def query_consent(self):
        """RFC 7675 §5.1: an agent that sends no checks asks for no consent either."""

    def build_request(self, *_words, **_more):
        raise RuntimeError("a lite agent sends no checks")


class Call:
    def __init__(self, say, number, caller, options):
        self.say, self.number, self.options = say, number, options
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.early, self.tasks, self.control, self.sending = [], [], None, None
        self.seen = Seen()
        self.peer.on("track", lambda track: self.start(self.seen.watch(track)))
        self.peer.on("datachannel", self.opened)
        self.peer.on("connectionstatechange", self.changed)
        if caller:
            self.add_tracks()
            self.opened(self.peer.createDataChannel("control", protocol="roomrtc-control"))

    def start(self, work):
        self.tasks.append(asyncio.ensure_future(guarded(work)))

    def changed(self):
        tell(self.peer.connectionState)
        if self.peer.connectionState == "connected":
            self.start(self.seen.report())

    def add_tracks(self):
        self.peer.addTrack(Tone())
        self.peer.addTrack(Picture())
        if self.options.codec:
            known = RTCRtpSender.getCapabilities("video").codecs
            wanted = [one for one in known if one.mimeType.lower() in (f"video/{self.options.codec}", "video/rtx")]
            for one in self.peer.getTransceivers():
                if one.kind == "video":
                    one.setCodecPreferences(wanted)

    async def offer(self):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        await self.describe()

    async def describe(self):
        # aiortc does not trickle: its candidates are in the description.
        mine = self.peer.localDescription
        sdp = mine.sdp.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n") if self.options.lite else mine.sdp
        await self.say(type="description", call=self.number, kind=mine.type, sdp=sdp)

    async def described(self, kind, sdp):
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, kind))
        for early in self.early:
            await self.peer.addIceCandidate(early)
        self.early.clear()
        if kind == "offer":
            self.add_tracks()
            await self.peer.setLocalDescription(await self.peer.createAnswer())
            await self.describe()

    async def candidate(self, text, mid):
        if not text:
            return
        candidate = candidate_from_sdp(text.removeprefix("candidate:"))
        candidate.sdpMid = mid
        if self.peer.remoteDescription:
            await self.peer.addIceCandidate(candidate)
        else:
            self.early.append(candidate)

    def opened(self, channel):
        if channel.protocol == "roomrtc-file":
            Arriving(channel, self.options.save)
            return
        self.control = channel
        channel.on("message", lambda text: tell("heard", says=json.loads(text)))
        if channel.readyState == "open":
            self.control_open()
        else:
            channel.on("open", self.control_open)

    def control_open(self):
        for microphone in [False, True]:
            self.control.send(json.dumps({"type": "media", "microphone": microphone, "camera": True}))
        if self.options.send:
            self.sending = Leaving(self.peer.createDataChannel("file", protocol="roomrtc-file"), self.options)

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await self.peer.close()


class Leaving:
    """A file on its way to the inviter."""

    def __init__(self, channel, options):
        self.channel, self.path, self.hash = channel, options.send, options.hash
        self.size = os.path.getsize(self.path)
        self.room = asyncio.Event()
        channel.bufferedAmountLowThreshold = HIGH // 2
        channel.on("bufferedamountlow", self.room.set)
        channel.on("message", self.heard)
        channel.on("open", self.offer)

    def offer(self):
        offer = {"type": "offer", "name": os.path.basename(self.path), "size": self.size, "hash": self.hash}
        self.channel.send(json.dumps(offer))

    def heard(self, text):
        message = json.loads(text)
        tell("file", direction="out", says=message["type"])
        if message["type"] == "accept":
            self.pouring = asyncio.ensure_future(guarded(self.pour(message.get("offset", 0))))
        else:
            self.channel.close()

    async def pour(self, offset):
        with open(self.path, "rb") as file:
            file.seek(offset)
            while piece := file.read(PIECE):
                self.channel.send(piece)
                if self.channel.bufferedAmount > HIGH:
                    self.room.clear()
                    await self.room.wait()


class Arriving:
    """A file of the inviter, accepted at once; whoever started this compares it."""

    def __init__(self, channel, folder):
        self.channel, self.folder, self.offer, self.parts = channel, folder, None, []
        channel.on("message", self.heard)

    def heard(self, data):
        if isinstance(data, bytes):
            self.parts.append(data)
            if sum(map(len, self.parts)) == self.offer["size"]:
                path = os.path.join(self.folder, os.path.basename(self.offer["name"]))
                with open(path, "wb") as file:
                    file.write(b"".join(self.parts))
                self.channel.send('{"type":"received"}')
                tell("file", direction="in", says="received", path=path)
            return
        message = json.loads(data)
        if message["type"] == "offer" and self.folder:
            self.offer = message
            self.channel.send('{"type":"accept"}')
        elif message["type"] == "offer":
            self.channel.send('{"type":"decline"}')


class Session:
    def __init__(self, socket, invite, options):
        self.socket, self.invite, self.options = socket, invite, options
        self.call, self.pending, self.inviter = None, None, None

    async def say(self, **message):
        await self.socket.send_json(message)

    async def beat(self, every):
        while True:
            await asyncio.sleep(every)
            await self.say(type="ping")

    async def hear(self):
        await self.say(type="hello", version=1, client="aiortc")
        async for frame in self.socket:
            message = json.loads(frame.data)
            react = getattr(self, "on_" + message["type"], None)
            if react:
                await react(message)

    async def on_welcome(self, message):
        self.heart = asyncio.ensure_future(self.beat(message["heartbeat_ms"] / 2000))
        await self.say(type="join", invite=self.invite, name="Gus")

    async def on_logged_in(self, message):
        tell("joined", user=message["user"])
        self.inviter = message["users"][0]["user"]
        await self.say(type="call", user=self.inviter)

    async def on_ping(self, _message):
        await self.say(type="pong")

    async def on_ringing(self, _message):
        self.pending = True

    async def on_incoming(self, message):
        self.pending = False
        await self.say(type="accept", call=message["call"])

    async def on_accepted(self, message):
        self.call = Call(self.say, message["call"], self.pending, self.options)
        if self.pending:
            await self.call.offer()

    async def on_description(self, message):
        await self.call.described(message["kind"], message["sdp"])

    async def on_candidate(self, message):
        await self.call.candidate(message["candidate"], message["mid"])

    async def on_ended(self, message):
        if self.call:
            await self.call.end()
        self.call = None
        tell("ended", reason=message["reason"])

    async def on_error(self, message):
        tell("error", code=message["code"], message=message["message"])


async def guarded(work):
    try:
        await work
    except Exception:
        tell("error", code="exception", message=traceback.format_exc())


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("link")
    arguments.add_argument("fingerprint")
    for option in ["--codec", "--send", "--hash", "--save"]:
        arguments.add_argument(option)
    arguments.add_argument("--lite", action="store_true")
    options = arguments.parse_args()
    if options.lite:
        rtcicetransport.Connection = Lite
        part = property(lambda self: "controlling" if self._connection.offers else "controlled")
        rtcicetransport.RTCIceTransport.role = part
    link = urlsplit(options.link)
    pinned = aiohttp.Fingerprint(bytes.fromhex(options.fingerprint.removeprefix("sha256:").replace(":", "")))
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"wss://{link.netloc}/ws", ssl=pinned) as socket:
            await Session(socket, link.path.split("/")[-1], options).hear()


asyncio.run(guarded(main()))
