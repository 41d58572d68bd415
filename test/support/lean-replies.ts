// Documented replies as the client would read them, without a server. The HTTP status is 200 unless said.
import { judgeReply, type LeanReply, type ReplyAround, type ReplySource } from '../../src/lean/lean-reply.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';

interface JudgedText {
  readonly bodyText: string;
  readonly isEnveloped?: boolean;
  readonly httpStatus?: number;
}

export function judgeText<Data>(
  { bodyText, isEnveloped = true, httpStatus = 200 }: JudgedText,
  read: (source: ReplySource) => Data | null,
): LeanReply<Data> {
  return judgeReply({
    operation: 'results',
    result: { kind: 'reply', httpStatus, headers: {}, bodyText },
    durationMs: 1,
    nowMs: 0,
    isEnveloped,
    read,
  });
}

/** Throws where the fixture is not the data that was expected. */
export function readFixture<Data>(
  name: string,
  read: (source: ReplySource) => Data | null,
  { isEnveloped = true } = {},
): ReplyAround & Data {
  const reply = judgeText({ bodyText: readLeanFixture(name).bodyText, isEnveloped }, read);
  if (reply.kind === 'ok') return reply;
  throw new Error(`${name} is ${reply.kind}${reply.kind === 'failed' ? ` ${reply.failure.code}` : ''}`);
}

export const firstPage = { page: 0, belongsTo: {} };
