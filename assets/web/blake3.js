// BLAKE3 (the unkeyed hash): browsers have no such digest, and files are known by it.

const IV = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const [CHUNK_START, CHUNK_END, PARENT, ROOT] = [1, 2, 4, 8];
const [BLOCK, CHUNK] = [64, 1024];

const v = new Uint32Array(16);
let m = new Uint32Array(16);
let spare = new Uint32Array(16);

function mix(a, b, c, d, x, y) {
  v[a] += v[b] + x;
  let t = v[d] ^ v[a];
  v[d] = (t >>> 16) | (t << 16);
  v[c] += v[d];
  t = v[b] ^ v[c];
  v[b] = (t >>> 12) | (t << 20);
  v[a] += v[b] + y;
  t = v[d] ^ v[a];
  v[d] = (t >>> 8) | (t << 24);
  v[c] += v[d];
  t = v[b] ^ v[c];
  v[b] = (t >>> 7) | (t << 25);
}

// Compresses one block of 16 words; answers the chaining value.
function compress(chain, words, counter, length, flags) {
  v.set(chain);
  v.set(IV.subarray(0, 4), 8);
  v[12] = counter;
  v[13] = Math.floor(counter / 2 ** 32);
  v[14] = length;
  v[15] = flags;
  m.set(words);
  for (let round = 0; ; round += 1) {
    mix(0, 4, 8, 12, m[0], m[1]);
    mix(1, 5, 9, 13, m[2], m[3]);
    mix(2, 6, 10, 14, m[4], m[5]);
    mix(3, 7, 11, 15, m[6], m[7]);
    mix(0, 5, 10, 15, m[8], m[9]);
    mix(1, 6, 11, 12, m[10], m[11]);
    mix(2, 7, 8, 13, m[12], m[13]);
    mix(3, 4, 9, 14, m[14], m[15]);
    if (round === 6) break;
    for (let i = 0; i < 16; i += 1) spare[i] = m[PERMUTATION[i]];
    [m, spare] = [spare, m];
  }
  const out = new Uint32Array(8);
  for (let i = 0; i < 8; i += 1) out[i] = v[i] ^ v[i + 8];
  return out;
}

const block = new Uint8Array(BLOCK);
const view = new DataView(block.buffer);
const words = new Uint32Array(16);

// The chaining value of a chunk, or the root's where it is the only one.
function chunkValue(bytes, counter, root) {
  let chain = IV;
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK));
  for (let at = 0; at < blocks; at += 1) {
    const part = bytes.subarray(at * BLOCK, (at + 1) * BLOCK);
    block.fill(0);
    block.set(part);
    for (let i = 0; i < 16; i += 1) words[i] = view.getUint32(i * 4, true);
    const last = at === blocks - 1;
    const flags = (at === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | (root ? ROOT : 0) : 0);
    chain = compress(chain, words, counter, part.length, flags);
  }
  return chain;
}

function parent(left, right, root) {
  const both = new Uint32Array(16);
  both.set(left);
  both.set(right, 8);
  return compress(IV, both, 0, BLOCK, PARENT | (root ? ROOT : 0));
}

export class Blake3 {
  constructor() {
    this.stack = []; // values of whole subtrees, the largest first
    this.chunks = 0;
    this.rest = new Uint8Array(CHUNK);
    this.filled = 0;
  }

  update(bytes) {
    for (let at = 0; at < bytes.length; ) {
      if (this.filled === CHUNK) this.close();
      const part = bytes.subarray(at, at + CHUNK - this.filled);
      this.rest.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
    }
    return this;
  }

  // A chunk is complete, and it is not the last one.
  close() {
    let value = chunkValue(this.rest, this.chunks, false);
    this.chunks += 1;
    for (let total = this.chunks; total % 2 === 0; total /= 2) value = parent(this.stack.pop(), value, false);
    this.stack.push(value);
    this.filled = 0;
  }

  hex() {
    let value = chunkValue(this.rest.subarray(0, this.filled), this.chunks, this.stack.length === 0);
    for (let at = this.stack.length - 1; at >= 0; at -= 1) value = parent(this.stack[at], value, at === 0);
    const bytes = new Uint8Array(new Uint32Array(value).buffer);
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
