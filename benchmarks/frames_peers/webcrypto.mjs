// RFC 9605 frames with WebCrypto under node, one awaited after the other: what a worker in a browser does per frame.
//
//     node webcrypto.mjs KEY SALT BASE_KEY KID     hex, hex, hex (not used), decimal; AES-GCM
//
// It answers requests line by line; processes.py says which. No replay window. CPU is that of the whole process:
// WebCrypto works in a pool of threads.

import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

const subtle = globalThis.crypto.subtle;
const TAG = 16;
const FIRST_CTR = 65536n;

const [keyHex, saltHex, , kidText] = process.argv.slice(2);
const salt = Buffer.from(saltHex, "hex");
const kid = BigInt(kidText);
const key = await subtle.importKey("raw", Buffer.from(keyHex, "hex"), "AES-GCM", false, ["encrypt", "decrypt"]);
let next = FIRST_CTR;

// RFC 9605 §4.3: the bits of one field in the config byte, and its bytes where it does not fit.
function field(value) {
  if (value < 8n) return [Number(value), []];
  const bytes = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 255n));
  return [8 | (bytes.length - 1), bytes];
}

function header(ctr) {
  const [kidBits, kidBytes] = field(kid);
  const [ctrBits, ctrBytes] = field(ctr);
  return Uint8Array.from([(kidBits << 4) | ctrBits, ...kidBytes, ...ctrBytes]);
}

function nonce(ctr) {
  const iv = new Uint8Array(salt);
  for (let at = iv.length - 1, rest = ctr; rest > 0n; at--, rest >>= 8n) iv[at] ^= Number(rest & 255n);
  return iv;
}

async function seal(plaintext, ctr) {
  const additionalData = header(ctr);
  const body = await subtle.encrypt({ name: "AES-GCM", iv: nonce(ctr), additionalData, tagLength: 8 * TAG }, key, plaintext);
  const sealed = new Uint8Array(additionalData.length + body.byteLength);
  sealed.set(additionalData);
  sealed.set(new Uint8Array(body), additionalData.length);
  return sealed;
}

async function open(sealed) {
  let at = 1;
  const read = (bits) => {
    if (bits < 8) return BigInt(bits);
    let value = 0n;
    for (const end = at + (bits & 7) + 1; at < end; at++) value = (value << 8n) | BigInt(sealed[at]);
    return value;
  };
  if (read(sealed[0] >> 4) !== kid) throw new Error("another KID");
  const iv = nonce(read(sealed[0] & 15));
  const additionalData = sealed.subarray(0, at);
  return subtle.decrypt({ name: "AES-GCM", iv, additionalData, tagLength: 8 * TAG }, key, sealed.subarray(at));
}

async function batch(opening, size, count) {
  let frames = Array.from({ length: count }, (_, n) => Uint8Array.from({ length: size }, (_, i) => i * 167 + n));
  if (opening) {
    const sealed = [];
    for (const frame of frames) sealed.push(await seal(frame, next++));
    frames = sealed;
  }
  const cpu = process.cpuUsage();
  const wall = performance.now();
  for (const frame of frames) await (opening ? open(frame) : seal(frame, next++));
  const spent = process.cpuUsage(cpu);
  return `${1000 * (spent.user + spent.system)} ${Math.round(1e6 * (performance.now() - wall))}`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, first, second] = line.split(" ");
  let answer;
  if (what === "frame") answer = Buffer.from(await seal(Buffer.from(second ?? "", "hex"), BigInt(first))).toString("hex");
  else if (what === "seal" || what === "open") answer = await batch(what === "open", Number(first), Number(second));
  else throw new Error(`no request ${what}`);
  process.stdout.write(`${answer}\n`);
}
