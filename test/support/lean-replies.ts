// Documented replies as the client would read them, without a server. The HTTP status is 200 unless said.
import { parseLossless } from '../../src/core/lossless-json.ts';
import { judgeReply, type LeanReply, type ReplyAround, type ReplySource } from '../../src/lean/lean-reply.ts';
import { wireEntitySchema } from '../../src/lean/wire-entity.ts';
import { readListed, type ListedEntity } from '../../src/worker/listed-entity.ts';
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

/** Throws where the text is not the data that was expected. */
export function readText<Data>(
  bodyText: string,
  read: (source: ReplySource) => Data | null,
  { isEnveloped = true } = {},
): ReplyAround & Data {
  const reply = judgeText({ bodyText, isEnveloped }, read);
  if (reply.kind === 'ok') return reply;
  throw new Error(`the reply is ${reply.kind}${reply.kind === 'failed' ? ` ${reply.failure.code}` : ''}`);
}

/** Throws where the fixture is not the data that was expected. */
export function readFixture<Data>(
  name: string,
  read: (source: ReplySource) => Data | null,
  options: { isEnveloped?: boolean } = {},
): ReplyAround & Data {
  return readText(readLeanFixture(name).bodyText, read, options);
}

/** An entity as a reply of Lean's lists it. */
export function listedEntity(item: Readonly<Record<string, unknown>>): ListedEntity {
  const raw = JSON.stringify(item);
  return readListed({ wire: wireEntitySchema.parse(parseLossless(raw)), raw });
}

export const firstPage = { page: 0, belongsTo: {} };
