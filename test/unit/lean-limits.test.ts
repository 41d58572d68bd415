// How long a call to Lean may take, against what Lean says of itself.
import { expect, it } from 'vitest';
import { defaultLimits } from '../../src/lean/lean-http.ts';

it('Lean is given longer than the 50 s after which it promises an answer in place of giving it', () => {
  const promiseAfterMs = 50_000;
  expect(defaultLimits.replyTimeoutMs).toBeGreaterThan(promiseAfterMs + 10_000);
  expect(defaultLimits.callTimeoutMs).toBeGreaterThan(defaultLimits.replyTimeoutMs);
});
