// The guest's page: who invites, who am I, the call.

import { Call } from "/web/call.js";
import { Files } from "/web/files.js";
import { Session, lookUp } from "/web/signaling.js";

const at = (id) => document.getElementById(id);
const invite = location.pathname.split("/").pop();
const files = new Files(at("files"));
const stream = new MediaStream();
const remote = new MediaStream();
let session = null;
let call = null;
let pending = null; // an incoming call that rings
let inviter = "";
let shared = null; // the screen's track

// For the curious, and for tests.
window.roomrtc = {
  get peer() {
    return call?.peer ?? null;
  },
};

const WORDS = {
  bad_invite: "This link is not good any more: it was used, taken back or has expired. Ask for another one.",
  bad_user_name: "Please use letters, digits and spaces for your name.",
  user_name_taken: "Too many guests have that name. Please take another one.",
  too_many_attempts: "Too many attempts from your network. Wait a minute, then try again.",
  user_offline: "They are not there at the moment. Try again later.",
  user_busy: "They are in another call. Try again later.",
};
const ENDS = {
  hung_up: "The call is over.",
  declined: "They declined the call.",
  unable: "They cannot take the call at the moment.",
  no_answer: "Nobody answered.",
  cancelled: "The call was taken back.",
  peer_lost: "Their connection was lost, and the call is over.",
  peer_left: "They have left.",
  server_shutdown: "The server has ended the call.",
};

function show(state, words) {
  document.body.dataset.state = state;
  at("again").hidden = !session || session.left;
  at("status").textContent = words;
}

// --- devices ---

async function devices() {
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) {
    throw new Error("This browser cannot make calls. Please use a current Firefox, Chromium or Safari.");
  }
  const complaints = [];
  for (const [kind, name] of [["audio", "microphone"], ["video", "camera"]]) {
    try {
      await take(kind, null);
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      complaints.push(refused ? `you did not allow the ${name}` : `there is no ${name} to use`);
    }
  }
  for (const device of await navigator.mediaDevices.enumerateDevices()) {
    const list = { audioinput: "microphone", videoinput: "camera" }[device.kind];
    if (list) at(list).add(new Option(device.label || list, device.deviceId));
  }
  return complaints.length ? `You can join all the same: ${complaints.join(", and ")}.` : "";
}

async function take(kind, id) {
  const wish = kind === "video" ? { width: { ideal: 1280 }, height: { ideal: 720 } } : { echoCancellation: true };
  const got = await navigator.mediaDevices.getUserMedia({ [kind]: id ? { ...wish, deviceId: { exact: id } } : wish });
  const [track] = got.getTracks();
  const old = stream.getTracks().find((one) => one.kind === kind);
  if (old) {
    track.enabled = old.enabled;
    old.stop();
    stream.removeTrack(old);
  }
  stream.addTrack(track);
  at("local").srcObject = stream;
  looks();
  return track;
}

function looks() {
  const video = stream.getVideoTracks()[0];
  document.body.classList.toggle("local-off", !video?.enabled);
  call?.tellMedia();
}

// --- the session ---

async function join() {
  at("join").disabled = true;
  session = new Session({ hear, lost, back, over });
  try {
    const answer = await session.begin({ type: "join", invite, name: at("name").value });
    remember();
    inviter = answer.users[0]?.user ?? inviter;
    ring();
  } catch (error) {
    at("join").disabled = false;
    show(error.code === "bad_invite" ? "failed" : "ready", WORDS[error.code] ?? error.message);
  }
}

function ring() {
  session.say({ type: "call", user: inviter });
  show("ringing", `Ringing ${inviter}…`);
}

const remember = () => sessionStorage.setItem("session", JSON.stringify({ invite, token: session.token, inviter }));

function hear(message) {
  switch (message.type) {
    case "ringing":
      pending = { id: message.call, user: message.user, caller: true };
      break;
    case "incoming":
      pending = { id: message.call, user: message.user, caller: false };
      at("caller").textContent = `${message.user} calls you`;
      show("incoming", "");
      break;
    case "accepted":
      begin(pending ?? { id: message.call, user: inviter, caller: true });
      break;
    case "description":
      call?.described(message).catch((error) => console.warn(error));
      break;
    case "candidate":
      call?.candidate(message);
      break;
    case "peer_away":
      show("interrupted", `${inviter} has lost the connection and may come back…`);
      break;
    case "peer_back":
      show("connecting", `${inviter} is back…`);
      break;
    case "ended":
      end(ENDS[message.reason] ?? "The call is over.");
      break;
    case "error":
      if (!call) show("ended", WORDS[message.code] ?? message.message);
      break;
    default:
  }
}

function begin({ id, user, caller }) {
  pending = null;
  inviter = user;
  show("connecting", `Connecting to ${user}…`);
  const events = {
    say: (message) => session.say(message),
    state: (state) => {
      if (state === "connected") show("connected", inCall(document.body.classList.contains("held")));
      else if (state === "disconnected" || state === "failed") show("interrupted", "Reconnecting…");
    },
    track: (track, ofScreen) => {
      if (ofScreen) return watch(track);
      remote.getTracks().filter((old) => old.kind === track.kind).forEach((old) => remote.removeTrack(old));
      remote.addTrack(track);
      at("remote").srcObject = remote;
    },
    hold: (held) => {
      document.body.classList.toggle("held", held);
      if (document.body.dataset.state === "connected") at("status").textContent = inCall(held);
    },
    media: ({ camera }) => document.body.classList.toggle("remote-off", !camera),
    file: (channel) => files.receive(channel),
  };
  document.body.classList.remove("held");
  call = new Call({ id, user, caller, stream, iceServers: session.iceServers, events });
}

const inCall = (held) => (held ? `${inviter} holds the call` : `In a call with ${inviter}`);

// The other side's screen takes the stage, its camera a corner. A track that is silent is shared no longer.
function watch(track) {
  const seen = (is) => document.body.classList.toggle("watching", is);
  at("screen").srcObject = new MediaStream([track]);
  track.onunmute = () => seen(true);
  track.onmute = () => seen(false);
  seen(!track.muted);
}

function end(words) {
  call?.end();
  call = null;
  pending = null;
  document.body.classList.remove("watching");
  stopSharing();
  show("ended", words);
}

function lost() {
  if (!call) show("interrupted", "The connection to the server is lost. Reconnecting…");
}

// The session goes on; so does a call in which this page was loaded anew.
function back({ call: ongoing }) {
  remember();
  if (ongoing?.accepted && call?.id !== ongoing.call) {
    begin({ id: ongoing.call, user: ongoing.user, caller: ongoing.caller });
    if (!ongoing.caller) call.begin();
  } else if (!ongoing) {
    end("The call is over.");
  } else if (!call) {
    pending = { id: ongoing.call, user: ongoing.user, caller: ongoing.caller };
    show(ongoing.caller ? "ringing" : "incoming", ongoing.caller ? `Ringing ${ongoing.user}…` : "");
  }
}

function over() {
  sessionStorage.removeItem("session");
  if (document.body.dataset.state !== "ended") end("You have left.");
  at("again").hidden = true;
}

// --- what the guest does ---

function toggle(id, kind) {
  const track = stream.getTracks().find((one) => one.kind === kind);
  if (!track) return;
  track.enabled = !track.enabled;
  at(id).setAttribute("aria-pressed", String(!track.enabled));
  looks();
}

function stopSharing() {
  if (!shared) return;
  shared.stop();
  shared = null;
  at("share").setAttribute("aria-pressed", "false");
  call?.shareScreen(null);
  looks();
}

async function share() {
  if (shared) return stopSharing();
  try {
    const screen = await navigator.mediaDevices.getDisplayMedia({ video: true });
    [shared] = screen.getVideoTracks();
    shared.onended = stopSharing;
    call?.shareScreen(shared);
    at("share").setAttribute("aria-pressed", "true");
    looks();
  } catch (error) {
    if (error.name !== "NotAllowedError") at("status").textContent = "The screen cannot be shared.";
  }
}

at("door").onsubmit = (event) => {
  event.preventDefault();
  join();
};
for (const [id, kind] of [["camera", "video"], ["microphone", "audio"]]) {
  at(id).onchange = ({ target }) => take(kind, target.value).catch(() => show("ready", "That device cannot be used."));
}
at("mute").onclick = () => toggle("mute", "audio");
at("camera-off").onclick = () => toggle("camera-off", "video");
at("share").onclick = share;
at("share").hidden = !navigator.mediaDevices?.getDisplayMedia;
at("file").onchange = ({ target }) => {
  for (const file of target.files) if (call) files.send(file, call);
  target.value = "";
};
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) if (call) files.send(file, call);
};
at("again").onclick = ring;
at("accept").onclick = () => session.say({ type: "accept", call: pending.id });
at("decline").onclick = () => {
  session.say({ type: "decline", call: pending.id, reason: "declined" });
};
at("hang-up").onclick = () => {
  if (call) session.say({ type: "hang_up", call: call.id });
  else if (pending) session.say({ type: "cancel", call: pending.id });
};

// --- the beginning ---

async function start() {
  const known = JSON.parse(sessionStorage.getItem("session") ?? "null");
  if (known?.invite === invite) {
    await devices();
    inviter = known.inviter;
    session = new Session({ hear, lost, back, over });
    try {
      back(await session.begin({ type: "resume", token: known.token }));
      return;
    } catch (error) {
      sessionStorage.removeItem("session");
      session = null;
    }
  }
  ({ inviter } = await lookUp(invite));
  at("inviter").textContent = `${inviter} invites you to a call`;
  // A link that is no good was told by now: nobody is asked for a camera in vain.
  show("loading", "Please allow your camera and microphone…");
  show("ready", await devices());
}

start().catch((error) => show("failed", WORDS[error.code] ?? error.message));
