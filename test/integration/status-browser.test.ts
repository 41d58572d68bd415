// The operator's pages in a real browser, on a phone and on a desk, in the light and in the dark.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, startChromium, type Browser, type Look } from '../support/chromium.ts';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from '../support/engines.ts';
import { longTests } from '../support/long-tests.ts';
import {
  countDeliveries,
  fillDatabase,
  fillQueues,
  opsToken,
  servePages,
  type ServedPages,
} from '../support/served-pages.ts';

const timeoutMs = 120_000;
const phone = { width: 390, height: 844 } as const;
const desk = { width: 1280, height: 900 } as const;

/** The least contrast between any text and what is behind it, by WCAG's formula; in the page. */
const leastContrast = `(() => {
  const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''));
  return Math.min(...texts.map((element) => {
    const [one, other] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }));
})()`;

describe.skipIf(!longTests || !hasChromium)('in Chromium', { timeout: timeoutMs }, () => {
  let browser: Browser;
  let pages: ServedPages;
  let test: TestDatabase;
  beforeAll(async () => {
    const prefix = uniquePrefix();
    test = await openTestDatabase();
    await fillDatabase(test.database, { concluded: 1234 });
    await fillQueues(engines.redisUrl, prefix);
    pages = await servePages({
      role: 'all',
      redisUrl: engines.redisUrl,
      prefix,
      schema: test.schema,
      database: test.database,
    });
    countDeliveries(pages);
    browser = await startChromium();
  }, timeoutMs);
  afterAll(async () => {
    await browser.close();
    await pages.close();
    await test.drop();
  });

  const headers = { Authorization: `Basic ${Buffer.from(`me:${opsToken}`).toString('base64')}` };
  const look = (path: string, view: { width: number; height: number; scheme: 'light' | 'dark' }) =>
    browser.look({
      url: `${pages.url}${path}`,
      headers,
      ...view,
      ...(path.startsWith('/queues') && { readyWhen: "document.body.innerText.includes('webhook-intake')" }),
    });

  function isAtHome({ complaints, requests }: Look): void {
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(`${pages.url}/`) && !url.startsWith('data:'))).toEqual(
      [],
    );
  }

  it.each([
    ['a phone in the light', phone, 'light'],
    ['a phone in the dark', phone, 'dark'],
    ['a desk in the light', desk, 'light'],
    ['a desk in the dark', desk, 'dark'],
  ] as const)('/status reads well on %s', async (_, size, scheme) => {
    const seen = await look('/status', { ...size, scheme });
    isAtHome(seen);
    expect(seen.words).toContain('Status of this receiver and worker in one process');
    expect(seen.scrollWidth).toBeLessThanOrEqual(size.width);
    expect(await seen.evaluate(leastContrast)).toBeGreaterThanOrEqual(4.5);
    const levels = "[...document.querySelectorAll('h1,h2,h3')].map((heading) => heading.tagName).join(' ')";
    expect(await seen.evaluate(levels)).toMatch(/^H1( H2)+$/);
    expect(await seen.evaluate("document.querySelectorAll('table:not(:has(caption))').length")).toBe(0);
    expect(await seen.evaluate("document.querySelectorAll('th:not([scope])').length")).toBe(0);
  });

  it('/queues shows its queues and asks nobody else for anything', async () => {
    const seen = await look('/queues/', { ...desk, scheme: 'light' });
    isAtHome(seen);
    for (const name of ['webhook-intake', 'webhook-events', 'lean-sync']) expect(seen.words).toContain(name);
  });
});
