// Where a list ends, by what its page says and what it leaves out.
import { describe, expect, it } from 'vitest';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { findListEnd, listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { judgeReply } from '../../src/lean/lean-reply.ts';

const page = { number: null, size: null, total_elements: null, total_pages: null };

describe('the end of a list', () => {
  it.each([
    ['is the last of its pages', { ...page, number: 2, total_pages: 3 }, 0, 1, true, true],
    ['is not before them', { ...page, number: 1, total_pages: 3 }, 0, 100, false, true],
    ['counts the asked page where it has no number', { ...page, total_pages: 3 }, 2, 1, true, true],
    ['is reached with no pages at all', { ...page, number: 0, total_pages: 0 }, 0, 0, true, true],
    ['is where the items end', { ...page, number: 1, size: 50, total_elements: 60 }, 1, 10, true, true],
    ['is not before the items end', { ...page, number: 0, size: 50, total_elements: 60 }, 0, 50, false, true],
    ['is a page that is not full', { ...page, number: 0, size: 50 }, 0, 49, true, true],
    ['is not a page as full as Lean makes them', { ...page, number: 0, size: 50 }, 0, 50, false, true],
    ['is not known of items without a page', null, 0, 50, true, false],
    ['is not known of a page that says nothing', page, 0, 50, true, false],
    ['is known of nothing without a page', null, 0, 0, true, true],
  ])('%s', (_what, said, askedPage, itemCount, isLastPage, isEndKnown) => {
    expect(findListEnd(said, { askedPage, itemCount })).toEqual({ isLastPage, isEndKnown });
  });

  it('is looked for from the page that was asked for', () => {
    const bodyText = '{"data":{"accounts":[],"page":{"total_pages":3}}}';
    const source = { body: parseLossless(bodyText), bodyText, reply: anyReply() };
    const read = (asked: number) => readPage(source, listKinds.accounts, { page: asked, belongsTo: {} });
    expect(read(1)).toMatchObject({ isLastPage: false });
    expect(read(2)).toMatchObject({ isLastPage: true });
  });
});

function anyReply() {
  return {
    status: 'OK',
    status_code: null,
    results_id: null,
    timestamp: null,
    refreshed_at: null,
    type: null,
    status_detail: null,
    reconnect_id: null,
    payload: null,
    data: null,
  };
}

function refuse(headers: Record<string, string>) {
  return judgeReply({
    operation: 'accounts',
    result: { kind: 'reply', httpStatus: 403, headers, bodyText: '{"status":"CONSENT_EXPIRED"}' },
    durationMs: 1,
    nowMs: 0,
    isEnveloped: true,
    read: () => null,
  });
}

it('a refusal carries the time at which Lean gave it', () => {
  expect(refuse({ date: 'Sun, 10 May 2026 12:00:00 GMT' })).toMatchObject({
    failure: { code: 'CONSENT_EXPIRED', at: { at: '2026-05-10T12:00:00.000Z' } },
  });
  expect(refuse({})).toMatchObject({ failure: { at: undefined } });
});
