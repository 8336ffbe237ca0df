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
let asked = null; // for devices: the promise of them, made once
let missing = ""; // of the devices, in words
let blocked = false; // the sound and pictures, until somebody clicks
let off = new Set(); // the kinds that the guest has switched off

const SWITCHES = [["mute", "audio"], ["camera-off", "video"]];

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

// Asks for what there is, once; joining is possible without.
const devices = () => (asked ??= open());

async function open() {
  if (!window.isSecureContext) {
    throw new Error("Browsers make calls only from pages whose address begins with https. Ask for such a link.");
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) {
    throw new Error("This browser cannot make calls. Please use a current Firefox, Chromium or Safari.");
  }
  const complaints = [];
  for (const [kind, name] of [["audio", "microphone"], ["video", "camera"]]) {
    try {
      await take(kind, null);
    } catch (error) {
      complaints.push(complaint(error, name));
    }
  }
  for (const device of await navigator.mediaDevices.enumerateDevices()) {
    const list = { audioinput: "microphone", videoinput: "camera" }[device.kind];
    if (list) at(list).add(new Option(device.label || list, device.deviceId));
  }
  missing = complaints.join(", and ");
}

function complaint({ name: why }, name) {
  if (why === "NotAllowedError") return `you did not allow the ${name}`;
  if (why === "NotReadableError") return `another program uses the ${name}`;
  return `there is no ${name} to use`;
}

async function take(kind, id) {
  const wish = kind === "video" ? { width: { ideal: 1280 }, height: { ideal: 720 } } : { echoCancellation: true };
  const got = await navigator.mediaDevices.getUserMedia({ [kind]: id ? { ...wish, deviceId: { exact: id } } : wish });
  const [track] = got.getTracks();
  track.enabled = !off.has(kind);
  const old = stream.getTracks().find((one) => one.kind === kind);
  if (old) {
    old.stop();
    stream.removeTrack(old);
  }
  stream.addTrack(track);
  at("local").srcObject = stream;
  looks();
  return track;
}

function looks() {
  for (const [id, kind] of SWITCHES) at(id).setAttribute("aria-pressed", String(off.has(kind)));
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

function remember() {
  sessionStorage.setItem("session", JSON.stringify({ invite, token: session.token, inviter, off: [...off] }));
}

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
      if (state === "connected") show("connected", inCall());
      else if (state === "disconnected" || state === "failed") show("interrupted", "Reconnecting…");
    },
    track: (track, ofScreen) => {
      if (ofScreen) return watch(track);
      remote.getTracks().filter((old) => old.kind === track.kind).forEach((old) => remote.removeTrack(old));
      remote.addTrack(track);
      at("remote").srcObject = remote;
      play();
    },
    hold: (held) => {
      document.body.classList.toggle("held", held);
      tellCall();
    },
    media: ({ camera }) => document.body.classList.toggle("remote-off", !camera),
    file: (channel) => files.receive(channel),
  };
  document.body.classList.remove("held");
  call = new Call({ id, user, caller, stream, iceServers: session.iceServers, events });
}

function inCall() {
  if (blocked) return `Click anywhere to hear and see ${inviter}`;
  if (document.body.classList.contains("held")) return `${inviter} holds the call`;
  return `In a call with ${inviter}${missing && `: ${missing}`}`;
}

function tellCall() {
  if (document.body.dataset.state === "connected") at("status").textContent = inCall();
}

// Browsers may let a page make sounds only after a click in it.
async function play() {
  try {
    await at("remote").play();
    blocked = false;
  } catch (error) {
    blocked ||= error.name === "NotAllowedError";
  }
  tellCall();
}

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
  // Nobody's last picture stays.
  remote.getTracks().forEach((track) => remote.removeTrack(track));
  for (const id of ["remote", "screen"]) at(id).srcObject = null;
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

function toggle(kind) {
  if (!off.delete(kind)) off.add(kind);
  for (const track of stream.getTracks()) track.enabled = !off.has(track.kind);
  looks();
  remember();
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
for (const [id, kind] of SWITCHES) at(id).onclick = () => toggle(kind);
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
at("again").onclick = () => devices().then(ring);
at("accept").onclick = async () => {
  await devices();
  if (pending) session.say({ type: "accept", call: pending.id });
};
at("decline").onclick = () => {
  session.say({ type: "decline", call: pending.id, reason: "declined" });
};
at("hang-up").onclick = () => {
  if (call) session.say({ type: "hang_up", call: call.id });
  else if (pending) session.say({ type: "cancel", call: pending.id });
};

// --- the beginning ---

// A page that is loaded anew is back in its call at once, and then asks for what it sends there.
async function goBack(known) {
  inviter = known.inviter;
  off = new Set(known.off);
  show("loading", `Going back to ${inviter}…`);
  session = new Session({ hear, lost, back, over });
  try {
    back(await session.begin({ type: "resume", token: known.token }));
  } catch (error) {
    session = null;
    if (!error.code) throw error;
    sessionStorage.removeItem("session");
    return false;
  }
  if (call) {
    await devices();
    call?.addTracks();
    play();
  }
  return true;
}

async function start() {
  document.addEventListener("click", () => blocked && play());
  const known = JSON.parse(sessionStorage.getItem("session") ?? "null");
  if (known?.invite === invite && (await goBack(known))) return;
  ({ inviter } = await lookUp(invite));
  at("inviter").textContent = `${inviter} invites you to a call`;
  // A link that is no good was told by now: nobody is asked for a camera in vain.
  show("loading", "Please allow your camera and microphone…");
  await devices();
  show("ready", missing && `You can join all the same: ${missing}.`);
}

start().catch((error) => show("failed", WORDS[error.code] ?? error.message));
