// One call: perfect negotiation (W3C WebRTC §10.7) over an RTCPeerConnection, which is replaced when the other side
// offers with another certificate, for a browser keeps to the first it has seen. Whatever changes the connection in
// mid-call is offered by itself; when both sides offer at once, the callee gives way and offers again afterwards.

const CONTROL = { label: "control", protocol: "roomrtc-control" };
const FILE = "roomrtc-file";
const CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

const fingerprint = (sdp) => /^a=fingerprint:(.*)$/m.exec(sdp)?.[1].trim().toLowerCase();

export class Call {
  // events: { say, state, track, media, hold, file }
  constructor({ id, user, caller, stream, iceServers, events }) {
    Object.assign(this, { id, user, caller, stream, iceServers, events, early: [], ended: false });
    this.connect();
    if (caller) this.begin();
  }

  // Adds what is sent, of which an offer follows.
  begin() {
    this.addTracks();
    this.opened(this.peer.createDataChannel(CONTROL.label, { protocol: CONTROL.protocol }));
  }

  connect() {
    this.peer?.close();
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: this.iceServers });
    this.peer = peer;
    this.early = [];
    this.making = false;
    this.answering = false;
    peer.onnegotiationneeded = () => this.offer(peer).catch((error) => console.warn(error));
    peer.onicecandidate = ({ candidate }) => {
      const { candidate: text, sdpMid } = candidate ?? { candidate: "", sdpMid: "0" };
      this.events.say({ type: "candidate", call: this.id, candidate: text, mid: sdpMid ?? "0" });
    };
    peer.ontrack = ({ track, transceiver }) => {
      this.events.track(track, track.kind === "video" && transceiver === this.screenSection());
    };
    peer.onsignalingstatechange = () => {
      if (this.peer === peer && peer.signalingState === "stable") this.settled();
    };
    peer.onconnectionstatechange = () => {
      if (this.peer === peer) this.events.state(peer.connectionState);
    };
    peer.ondatachannel = ({ channel }) => this.opened(channel);
  }

  // Ours come first in the offer; an answer takes the sections as they were offered.
  addTracks() {
    const offered = this.peer.remoteDescription !== null;
    for (const kind of ["audio", "video"]) {
      const track = this.stream.getTracks().find((one) => one.kind === kind);
      const ofKind = this.peer.getTransceivers().filter((one) => one.receiver.track.kind === kind);
      const section = ofKind.find((one) => one.mid !== null);
      if (section) {
        section.direction = track ? "sendrecv" : "recvonly";
        if (track) section.sender.replaceTrack(track);
      } else if (!offered && track) {
        // Goes into the section of the other side's offer, should ours give way to it.
        this.peer.addTrack(track, this.stream);
      } else if (!offered) {
        this.peer.addTransceiver(kind, { direction: "recvonly" });
      }
    }
    if (this.screen) this.shareScreen(this.screen);
    this.wishCaptureTimes();
  }

  // The first section of pictures is the camera's, whichever side has offered it; another one is a screen's.
  screenSection() {
    const alive = (one) => one.receiver.track.kind === "video" && one.currentDirection !== "stopped";
    const pictures = this.peer.getTransceivers().filter(alive);
    return pictures.filter((one) => one.mid !== null)[1] ?? pictures[1];
  }

  // Shows the other side a screen beside the camera; null is the end of that. An offer follows.
  shareScreen(track) {
    this.screen = track;
    const section = this.screenSection();
    if (section) {
      section.sender.replaceTrack(track);
      section.direction = track ? "sendrecv" : "recvonly";
    } else if (track) {
      this.peer.addTransceiver(track, { direction: "sendrecv", streams: [new MediaStream([track])] });
    }
  }

  // An exchange is over. A screen for which both sides have made a section goes into the one that stays.
  settled() {
    const section = this.screenSection();
    if (this.screen && section && section.sender.track !== this.screen) {
      this.peer.getTransceivers().find((one) => one.sender.track === this.screen)?.stop();
      this.shareScreen(this.screen);
    }
    const [sound, pictures] = this.peer.getTransceivers().map((one) => one.currentDirection);
    this.events.hold(sound === "inactive" && pictures === "inactive");
  }

  // Some browsers know when a picture was captured and say so only if they are asked to.
  wishCaptureTimes() {
    for (const one of this.peer.getTransceivers()) {
      const known = one.getHeaderExtensionsToNegotiate?.();
      const wish = known?.find(({ uri }) => uri === CAPTURE_TIME);
      if (!wish) continue;
      wish.direction = "sendrecv";
      one.setHeaderExtensionsToNegotiate(known);
    }
  }

  async offer(peer) {
    if (this.peer !== peer) return;
    try {
      this.making = true;
      await peer.setLocalDescription();
      this.describe(peer);
    } finally {
      if (this.peer === peer) this.making = false;
    }
  }

  describe(peer) {
    // One that has given way meanwhile is offered again later.
    if (this.peer !== peer || !peer.localDescription) return;
    const { type, sdp } = peer.localDescription;
    this.events.say({ type: "description", call: this.id, kind: type, sdp });
  }

  async described({ kind, sdp }) {
    const ready = !this.making && (this.peer.signalingState === "stable" || this.answering);
    if (kind === "offer" && !ready && this.caller) return;
    // One that came too late: the offer it belongs to has given way.
    if (kind === "answer" && this.peer.signalingState !== "have-local-offer") return;
    const before = this.peer.remoteDescription?.sdp;
    if (kind === "offer" && before && fingerprint(before) !== fingerprint(sdp)) {
      this.control = null;
      this.connect();
    }
    const peer = this.peer;
    const first = !peer.remoteDescription;
    try {
      this.answering = kind === "answer";
      await peer.setRemoteDescription({ type: kind, sdp });
    } finally {
      if (this.peer === peer) this.answering = false;
    }
    if (this.peer !== peer) return;
    for (const candidate of this.early.splice(0)) await this.candidate(candidate);
    if (kind === "offer") {
      if (first) this.addTracks();
      await peer.setLocalDescription();
      this.describe(peer);
    }
  }

  async candidate({ candidate, mid }) {
    if (!this.peer.remoteDescription) {
      if (this.early.length < 64) this.early.push({ candidate, mid });
      return;
    }
    // One that cannot be used ends no call.
    await this.peer.addIceCandidate(candidate ? { candidate, sdpMid: mid } : undefined).catch(console.debug);
  }

  opened(channel) {
    if (channel.protocol === CONTROL.protocol) {
      this.control = channel;
      channel.onopen = () => this.tellMedia();
      channel.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "media") this.events.media(message);
      };
      if (channel.readyState === "open") this.tellMedia();
    } else if (channel.protocol === FILE) {
      this.events.file(channel);
    }
  }

  openFile() {
    return this.peer.createDataChannel("file", { protocol: FILE });
  }

  tellMedia() {
    const on = (kind) => this.stream.getTracks().some((track) => track.kind === kind && track.enabled);
    if (this.control?.readyState === "open") {
      this.control.send(JSON.stringify({ type: "media", microphone: on("audio"), camera: on("video") }));
    }
  }

  end() {
    this.ended = true;
    this.peer.close();
  }
}
