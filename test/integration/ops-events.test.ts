// `npm run ops -- events list` and `show`: an operator finds events and sees what became of them, and of a body only what
// it looks like unless it is asked for.
import { describe, expect, it } from 'vitest';
import { webhookBody } from '../support/event-bodies.ts';
import { operatedEvents } from '../support/operated-events.ts';

const { ops, worker, fill } = operatedEvents();

async function keys(...argv: string[]): Promise<string[]> {
  const { code, output } = await ops(['events', 'list', '--json', ...argv]);
  expect(code).toBe(0);
  return JSON.parse(output).map(({ event_key: found }: { event_key: string }) => found);
}

describe('events list', () => {
  it('chooses by state, type, entity, customer and time, the newest first, and bounds its answer', async () => {
    await fill();
    expect(await keys()).toEqual(['p', 'q2', 'q1', 'a']);
    expect(await keys('--limit', '2')).toEqual(['p', 'q2']);
    expect(await keys('--state', 'quarantined,ignored')).toEqual(['p', 'q2', 'q1']);
    expect(await keys('--type', 'entity.updated', '--until', '2020-11-12')).toEqual(['q1']);
    expect(await keys('--since', '2020-11-11T08:00:00Z', '--until', '2020-11-12T08:00:00Z')).toEqual(['q1']);
    expect(await keys('--since', '1h')).toEqual(['p']);
    expect(await keys('--entity', 'entity-a')).toContain('a');
    expect(await keys('--customer', 'customer-1')).toEqual(['a']);
    expect(await keys('--customer', 'nobody')).toEqual([]);
  });

  it('as a table shows ids, times and codes, and `quarantine list` only what is in trouble', async () => {
    await fill();
    const { output } = await ops(['quarantine', 'list']);
    expect(output.split('\n')).toHaveLength(4);
    expect(output).toMatch(/quarantined\s+EVENT_PAYLOAD_INVALID\s+entity\.updated\s+q2/);
  });

  it('refuses a state, a time or a number it cannot read, with its help', async () => {
    for (const wrong of [
      ['--state', 'done'],
      ['--since', 'monday'],
      ['--since', '2026-02-30'],
      ['--limit', '0'],
    ]) {
      const { code, output } = await ops(['events', 'list', ...wrong]);
      expect({ wrong, code }).toEqual({ wrong, code: 2 });
      expect(output).toContain('npm run ops -- <command>');
    }
  });
});

describe('events show', () => {
  it('shows what a body looks like and nothing it says, unless --body asks', async () => {
    await fill();
    const { code, output } = await ops(['events', 'show', 'a']);
    expect(code).toBe(0);
    expect(output).toContain('"app_user_id": "<text>"');
    expect(output).not.toContain('test_postman');
    const shown = await ops(['events', 'show', 'a', '--body', '--json']);
    expect(JSON.parse(JSON.parse(shown.output).body).payload.app_user_id).toBe('test_postman');
  });

  it('without the key shows the rest, and with --body says which key is missing', async () => {
    await fill();
    const env = { PAYLOAD_KEYS: Buffer.alloc(32, 8).toString('base64') };
    expect((await ops(['events', 'show', 'q1'], { env })).output).toContain('PAYLOAD_KEY_MISSING');
    const { code, output } = await ops(['events', 'show', 'q1', '--body'], { env });
    expect(code).toBe(2);
    expect(output).toMatch(/^PAYLOAD_KEY_MISSING: /);
  });

  it('prints no character that a terminal obeys, whatever Lean sent', async () => {
    const body = webhookBody({
      type: 'odd',
      eventId: 'odd',
      payload: { name: 'a\u001B[31m\u009B2J\u202E\u{E0001}' },
    });
    await worker().intake([{ body }]);
    for (const form of [[], ['--json'], ['--body'], ['--body', '--json']]) {
      const { output } = await ops(['events', 'show', 'odd', ...form]);
      expect(output.replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    }
  });

  it('of an unknown key says EVENT_UNKNOWN', async () => {
    const { code, output } = await ops(['events', 'show', 'nothing']);
    expect({ code, output }).toEqual({ code: 2, output: 'EVENT_UNKNOWN: no event nothing' });
  });
});
