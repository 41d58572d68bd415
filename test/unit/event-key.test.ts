import { describe, expect, it } from 'vitest';
import { conflictKey, eventJobId, eventKey, sha256Hex } from '../../src/core/event-key.ts';

const body = Buffer.from('{"type":"entity.created"}');

describe('eventKey', () => {
  it("is Lean's event id where that is 1 to 200 printable characters", () => {
    expect(eventKey('1e7974c5-4d91-4046-8c5f-35b26a5e4d20', body)).toBe(
      '1e7974c5-4d91-4046-8c5f-35b26a5e4d20',
    );
    expect(eventKey('x'.repeat(200), body)).toBe('x'.repeat(200));
  });

  it.each([null, '', 'x'.repeat(201), 'a b', 'a\n', 'é', '\u0000'])(
    'is the hash of the raw body where the event id is %j',
    (eventId) => {
      expect(eventKey(eventId, body)).toBe(`sha256:${sha256Hex(body)}`);
    },
  );
});

describe('derived names', () => {
  it('gives a conflicting body a key of its own', () => {
    expect(conflictKey('id', body)).toBe(`id#${sha256Hex(body)}`);
  });

  it('makes job ids that are the same for a repeat, new for a replay, and without a colon', () => {
    expect(eventJobId('sha256:ab', 0)).toBe(eventJobId('sha256:ab', 0));
    expect(eventJobId('sha256:ab', 1)).not.toBe(eventJobId('sha256:ab', 0));
    expect(eventJobId('sha256:ab', 0)).toMatch(/^ev_[0-9a-f]{64}_0$/);
  });
});
