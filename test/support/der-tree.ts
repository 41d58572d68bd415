// Takes DER apart into a tree that can be changed and written again with the right lengths: for tests that mutate.

export interface DerNode {
  tag: number;
  /** What is inside; null: only bytes. */
  children: DerNode[] | null;
  bytes: Buffer;
}

/** null when the bytes are not elements from end to end. */
export function parseDer(bytes: Buffer): DerNode[] | null {
  const nodes: DerNode[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const tag = bytes[offset] ?? 0;
    const first = bytes[offset + 1];
    if (first === undefined || first === 0x80 || first > 0x83) return null;
    const count = first > 0x80 ? first - 0x80 : 0;
    if (offset + 2 + count > bytes.length) return null;
    const length = count === 0 ? first : bytes.readUIntBE(offset + 2, count);
    const start = offset + 2 + count;
    if (start + length > bytes.length) return null;
    nodes.push(toNode(tag, bytes.subarray(start, start + length)));
    offset = start + length;
  }
  return nodes;
}

function toNode(tag: number, content: Buffer): DerNode {
  if ((tag & 0x20) !== 0) return { tag, children: parseDer(content), bytes: content };
  // The value of an extension is DER inside an OCTET STRING.
  const looksNested = tag === 0x04 && [0x30, 0x03, 0x04].includes(content[0] ?? 0);
  return { tag, children: looksNested ? parseDer(content) : null, bytes: content };
}

export function writeDer({ tag, children, bytes }: DerNode): Buffer {
  const content = children === null ? bytes : Buffer.concat(children.map(writeDer));
  return Buffer.concat([Buffer.of(tag), lengthBytes(content.length), content]);
}

/** Every node below, this one included. */
export function allNodes(node: DerNode): DerNode[] {
  return [node, ...(node.children ?? []).flatMap(allNodes)];
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  if (length < 0x100) return Buffer.of(0x81, length);
  if (length < 0x1_0000) return Buffer.of(0x82, length >> 8, length & 0xff);
  return Buffer.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}
