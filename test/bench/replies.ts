// Reads answers off a connection, as little of them as is needed: the status, and where the next one begins.
// Knows Content-Length only; an answer without one is an error, and not a guess.

const headEnd = Buffer.from('\r\n\r\n');
const lengthPattern = /\r\ncontent-length: *(\d+)/i;

/** Takes what arrives on one connection, and calls with the status of each whole answer. Throws on what is no answer. */
export function createReplyReader(onReply: (status: number) => void): (chunk: Buffer) => void {
  let rest: Buffer | null = null;
  return (chunk) => {
    let bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    rest = null;
    while (bytes.length > 0) {
      const end = bytes.indexOf(headEnd);
      const head = end < 0 ? '' : bytes.toString('latin1', 0, end);
      const length = Number(lengthPattern.exec(head)?.[1] ?? Number.NaN);
      if (end >= 0 && Number.isNaN(length)) throw new Error(`no Content-Length: ${head}`);
      const whole = end + headEnd.length + length;
      if (end < 0 || bytes.length < whole) {
        // A copy: the caller reads what comes next into the same memory.
        rest = Buffer.from(bytes);
        return;
      }
      bytes = bytes.subarray(whole);
      onReply(Number(head.slice(9, 12)));
    }
  };
}
