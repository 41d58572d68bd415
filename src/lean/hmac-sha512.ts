// HMAC-SHA512 (RFC 2104) under one key that stays, of two hashes made in one call each: crypto's own Hmac sets up an object
// and a key for every message, which takes longer than the hashing of a delivery. Never keeps a message.
import { createHash, hash } from 'node:crypto';

/** Lower-case hex of the HMAC of these bytes. */
export type HmacSha512 = (message: Uint8Array) => string;

const blockBytes = 128;
const digestBytes = 64;
/** What is hashed stands in one piece behind the padded key; a longer message is hashed in two. */
const roomBytes = 32_768;

export function createHmacSha512(key: string): HmacSha512 {
  const inner = padded(key, 0x36, roomBytes);
  const outer = padded(key, 0x5c, digestBytes);
  const innerKey = inner.subarray(0, blockBytes);

  function innerDigest(message: Uint8Array): string {
    if (message.byteLength > roomBytes)
      return createHash('sha512').update(innerKey).update(message).digest('hex');
    const end = blockBytes + message.byteLength;
    inner.set(message, blockBytes);
    const digest = hash('sha512', inner.subarray(0, end), 'hex');
    inner.fill(0, blockBytes, end);
    return digest;
  }

  return (message) => {
    outer.write(innerDigest(message), blockBytes, 'hex');
    return hash('sha512', outer, 'hex');
  };
}

/** The key, filled up with zeros to a block, each byte with the mask; behind it room for what is hashed. */
function padded(key: string, mask: number, room: number): Buffer {
  const bytes = Buffer.from(key);
  const shortKey = bytes.byteLength > blockBytes ? hash('sha512', bytes, 'buffer') : bytes;
  const block = Buffer.alloc(blockBytes + room);
  block.set(shortKey);
  for (const [index, byte] of block.subarray(0, blockBytes).entries()) block[index] = byte ^ mask;
  return block;
}
