// Files both ways, each over a data channel of its own: docs/file-transfer.md.

import { Blake3 } from "/web/blake3.js";

const PIECE = 64 * 1024;
// Bytes that may wait in the channel.
const HIGH = 1 << 20;
// A received file is put together in memory.
const LARGEST = 2 * 1024 ** 3;

const size = (bytes) => {
  const units = ["bytes", "kB", "MB", "GB"];
  let at = 0;
  for (; bytes >= 1000 && at < units.length - 1; at += 1) bytes /= 1000;
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
};

export class Files {
  constructor(list) {
    this.list = list;
  }

  row(name) {
    const row = document.createElement("li");
    const text = document.createElement("span");
    row.append(text);
    this.list.append(row);
    const say = (words) => (text.textContent = `${name}: ${words}`);
    return { row, say };
  }

  button(row, words, mark, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.dataset[mark] = "";
    button.onclick = act;
    row.append(button);
  }

  async send(file, call) {
    const { say } = this.row(file.name);
    say("reading…");
    const hash = new Blake3();
    for (let at = 0; at < file.size; at += HIGH) {
      hash.update(new Uint8Array(await file.slice(at, at + HIGH).arrayBuffer()));
    }
    const channel = call.openFile();
    channel.bufferedAmountLowThreshold = HIGH / 2;
    const offer = { type: "offer", name: file.name, size: file.size, media_type: file.type, hash: hash.hex() };
    channel.onopen = () => {
      channel.send(JSON.stringify(offer));
      say("offered");
    };
    let over = false;
    channel.onclose = () => {
      if (!over) say("interrupted");
    };
    channel.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "accept") {
        this.pour(file, message.offset ?? 0, channel, say).catch(() => say("interrupted"));
        return;
      }
      over = true;
      say({ received: "sent", decline: "declined" }[message.type] ?? "cancelled");
      channel.close();
    };
  }

  async pour(file, from, channel, say) {
    for (let at = from; at < file.size; at += PIECE) {
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      if (channel.bufferedAmount > HIGH) {
        await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
      }
      channel.send(piece);
      say(`sending, ${Math.floor((100 * at) / file.size)} %`);
    }
  }

  receive(channel) {
    channel.binaryType = "arraybuffer";
    let shown = null;
    const came = { offer: null, parts: [], bytes: 0, hash: new Blake3() };
    channel.onmessage = ({ data }) => {
      if (typeof data !== "string") return this.piece(channel, came, shown, data);
      const message = JSON.parse(data);
      if (message.type === "offer" && !came.offer) {
        came.offer = message;
        shown = this.row(message.name);
        this.ask(channel, came, shown);
      } else if (message.type === "cancel") {
        shown?.say("cancelled");
      }
    };
  }

  ask(channel, came, { row, say }) {
    say(size(came.offer.size));
    const answer = (message) => {
      row.querySelectorAll("button").forEach((button) => button.remove());
      channel.send(JSON.stringify(message));
    };
    if (came.offer.size > LARGEST) {
      say("too large for a browser");
      return answer({ type: "decline" });
    }
    this.button(row, "Save", "accept", () => {
      answer({ type: "accept", offset: 0 });
      if (came.offer.size === 0) this.finish(channel, came, { row, say });
    });
    this.button(row, "Decline", "decline", () => {
      answer({ type: "decline" });
      say("declined");
    });
  }

  piece(channel, came, shown, data) {
    if (!came.offer || came.bytes + data.byteLength > came.offer.size) {
      channel.send('{"type":"cancel","reason":"protocol"}');
      return;
    }
    came.parts.push(data);
    came.bytes += data.byteLength;
    came.hash.update(new Uint8Array(data));
    shown.say(`${Math.floor((100 * came.bytes) / came.offer.size)} %`);
    if (came.bytes === came.offer.size) this.finish(channel, came, shown);
  }

  finish(channel, came, { row, say }) {
    if (came.hash.hex() !== came.offer.hash) {
      channel.send('{"type":"cancel","reason":"corrupt"}');
      say("arrived damaged");
      return;
    }
    channel.send('{"type":"received"}');
    say("received");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(came.parts, { type: came.offer.media_type }));
    link.download = came.offer.name;
    link.textContent = "Save again";
    row.append(link);
    link.click();
  }
}
