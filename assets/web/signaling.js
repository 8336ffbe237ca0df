// The connection to the server: docs/signaling.md. One JSON object a message, over a WebSocket.

const VERSION = 1;
const ADDRESS = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
// Pauses before coming back after a lost connection, ms; the last one is repeated.
const PAUSES = [200, 500, 1000, 1500];

export class Refusal extends Error {
  constructor({ code, message, retry_after_ms: wait }) {
    super(message);
    this.code = code;
    this.wait = wait;
  }
}

// Opens a connection and says one thing; resolves to the connection and the answer.
function open(first, hear, closed) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(ADDRESS);
    let greeted = false;
    let answered = false;
    let opened = false;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: VERSION, client: "roomrtc-web" }));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ping") {
        socket.send('{"type":"pong"}');
      } else if (!greeted && message.type === "welcome") {
        greeted = true;
        socket.send(JSON.stringify(first));
        beat(socket, message.heartbeat_ms);
      } else if (!answered) {
        answered = true;
        if (message.type === "error") {
          reject(new Refusal(message));
          socket.close();
        } else {
          opened = true;
          resolve({ socket, answer: message });
        }
      } else if (message.type !== "pong") {
        hear(message);
      }
    };
    socket.onclose = () => {
      clearInterval(socket.heart);
      // What was refused never was a session, and does not come back.
      if (opened) closed();
      else reject(new Error("The server cannot be reached."));
    };
  });
}

// Tells the server every so often that this page lives.
function beat(socket, every) {
  socket.heart = setInterval(() => {
    if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
  }, every);
}

// Who invites by this link; throws a Refusal if it is not good.
export async function lookUp(invite) {
  const { socket, answer } = await open({ type: "look_up_invite", invite }, () => {}, () => {});
  socket.close();
  return answer;
}

// A session: comes back by its token until it is left.
export class Session {
  constructor({ hear, lost, back, over }) {
    Object.assign(this, { hear, lost, back, over, token: null, socket: null, left: false, iceServers: [] });
  }

  async begin(first) {
    const { socket, answer } = await open(first, (message) => this.heard(message), () => this.closed());
    this.socket = socket;
    this.token = answer.token;
    this.say({ type: "get_ice_servers" });
    return answer;
  }

  // Logins at TURN servers end: others are asked for in time.
  keep({ servers, ttl_s: life }) {
    this.iceServers = servers;
    clearTimeout(this.renewal);
    this.renewal = setTimeout(() => this.say({ type: "get_ice_servers" }), life * 500);
  }

  heard(message) {
    if (message.type === "goodbye") this.left = message.reason !== "server_shutdown";
    else if (message.type === "ice_servers") this.keep(message);
    else this.hear(message);
  }

  async closed() {
    if (this.left) return this.over();
    this.lost();
    for (let attempt = 0; !this.left; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, PAUSES[Math.min(attempt, PAUSES.length - 1)]));
      try {
        this.back(await this.begin({ type: "resume", token: this.token }));
        return;
      } catch (error) {
        if (error.code === "bad_token") {
          this.left = true;
          this.over();
        }
      }
    }
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
