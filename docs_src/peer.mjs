// A conformance peer in plain node: headers of SFrame, and received frames of suites 4 and 5 (RFC 9605).
import { createDecipheriv, hkdfSync } from "node:crypto";
import { createInterface } from "node:readline";
const hex = (text) => Buffer.from(text, "hex");
const refuse = (layer, reason) => {
  throw Object.assign(new Error(reason), { layer });
};

function field(flagged, bits, data, at) {
  if (!flagged) return [BigInt(bits), at];
  const end = at + bits + 1;
  if (end > data.length) refuse("malformed", "the header is cut short");
  const value = BigInt("0x" + data.toString("hex", at, end));
  if (value < 8n || (bits > 0 && data[at] === 0)) refuse("malformed", "not the shortest form");
  return [value, end];
}

function header(data) {
  if (data.length === 0) refuse("malformed", "no header");
  const [kid, afterKid] = field(data[0] & 0x80, (data[0] >> 4) & 7, data, 1);
  const [ctr, length] = field(data[0] & 0x08, data[0] & 7, data, afterKid);
  return { kid, ctr, length };
}

function unprotect({ suite, kid, base_key, metadata, ciphertext }) {
  const [name, hash, bytes] = { 4: ["aes-128-gcm", "sha256", 16], 5: ["aes-256-gcm", "sha512", 32] }[suite] ?? [];
  if (!name) return undefined;
  const data = hex(ciphertext);
  const { kid: found, ctr, length } = header(data);
  if (data.length < length + 16) refuse("malformed", "shorter than a tag");
  if (found !== BigInt(kid)) refuse("unknown-key", `no key ${found}`);
  const end = hex(found.toString(16).padStart(16, "0") + "000" + suite);
  const label = (what) => Buffer.concat([Buffer.from(`SFrame 1.0 Secret ${what} `), end]);
  const derive = (what, n) => Buffer.from(hkdfSync(hash, hex(base_key), "", label(what), n));
  const nonce = derive("salt", 12).map((byte, i) => byte ^ (i < 4 ? 0 : Number((ctr >> BigInt(8 * (11 - i))) & 255n)));
  const cipher = createDecipheriv(name, derive("key", bytes), nonce);
  cipher.setAAD(Buffer.concat([data.subarray(0, length), hex(metadata)])).setAuthTag(data.subarray(-16));
  const plaintext = cipher.update(data.subarray(length, -16), undefined, "hex");
  return { plaintext: plaintext + cipher.final("hex"), ctr: String(ctr) }; // final() throws where the tag does not fit
}

const operations = {
  hello: () => ({ name: "plain node", version: "1", ops: Object.keys(operations) }),
  "sframe.header.decode": ({ data }) => {
    const { kid, ctr, length } = header(hex(data));
    return { kid: String(kid), ctr: String(ctr), length };
  },
  "sframe.unprotect": unprotect,
};
for await (const line of createInterface({ input: process.stdin })) {
  let [id, answer] = [null, { unsupported: true }];
  try {
    const request = JSON.parse(line);
    id = request.id;
    const ok = operations[request.op]?.(request);
    if (ok) answer = { ok };
  } catch (error) {
    answer = { error: { layer: error.layer ?? (id === null ? "malformed" : "authentication"), reason: error.message } };
  }
  console.log(JSON.stringify({ id, ...answer }));
}
