// What a planned fault answers in place of the usual reply, in the form of the dialect that was asked.
import type { Fault } from './lean-faults.ts';
import { dialectOf } from './lean-routes.ts';
import { emptyReply, refreshReconnectReply } from './reply-bodies.ts';
import { v1EmptyReply } from './reply-v1.ts';
import {
  bankFailed,
  failure,
  ok,
  reconnectRequired,
  type ApiCall,
  type ApiReply,
  type ApiWorld,
} from './route-helpers.ts';

export interface FaultedCall {
  call: ApiCall;
  /** The usual answer. */
  usual: () => ApiReply;
  onResultsPending?: ((resultsId: string) => void) | undefined;
}

export function faultReply(world: ApiWorld, fault: Fault, faulted: FaultedCall): ApiReply {
  const { call, usual } = faulted;
  const dialect = dialectOf(call);
  switch (fault.kind) {
    case 'error': {
      const { httpStatus, status, message = 'Something has gone wrong.' } = fault;
      return failure(world, { httpStatus, status, message, resultsId: world.newId() });
    }
    case 'reply':
      return { httpStatus: fault.httpStatus, body: fault.body };
    case 'rate-limit': {
      const message = 'Too many requests.';
      return failure(world, { httpStatus: 429, status: 'RATE_LIMIT_EXCEEDED', message });
    }
    case 'pending':
      return holdBack(world, faulted, fault.httpStatus ?? 200);
    case 'failed': {
      const { granularStatusCode, message, data } = fault;
      const withoutData = data === 'absent';
      return bankFailed(world, {
        granularStatusCode,
        dialect,
        withoutData,
        ...(message === undefined ? {} : { message }),
      });
    }
    case 'status': {
      const { status, message = 'The data cannot be had now.' } = fault;
      const facts = { status, message, resultsId: world.newId(), timestamp: world.timestamp() };
      return ok(dialect === 'v1' ? v1EmptyReply(facts) : emptyReply(facts));
    }
    case 'reconnect-required': {
      const reconnectId = world.newId();
      if (!/\/refreshes\/?$/.test(call.path)) return reconnectRequired(world, { reconnectId, dialect });
      return ok(refreshReconnectReply({ reconnectId, timestamp: world.timestamp() }));
    }
    case 'gateway': {
      const body = `<html><head><title>${fault.httpStatus}</title></head><body>cloudflare</body></html>`;
      return { httpStatus: fault.httpStatus, body, contentType: 'text/html; charset=UTF-8' };
    }
    case 'bad-json': {
      const { httpStatus, body } = usual();
      return { httpStatus, body: body.slice(0, Math.floor(body.length / 2)) };
    }
    case 'delay':
    case 'refresh':
    case 'half-open':
    case 'reset':
    case 'cut':
    case 'slow':
      return usual();
  }
}

/** PENDING now; what the usual answer is now, later from the results endpoint. Of data that cannot be had nothing is held. */
export function holdBack(
  world: ApiWorld,
  { call, usual, onResultsPending }: FaultedCall,
  httpStatus: 200 | 202,
): ApiReply {
  const reply = usual();
  const resultsId = world.newId();
  world.holdResults(resultsId, () => reply);
  onResultsPending?.(resultsId);
  const message = 'Please wait for a webhook or try again later.';
  const facts = { status: 'PENDING', message, resultsId, timestamp: world.timestamp() };
  return { httpStatus, body: dialectOf(call) === 'v1' ? v1EmptyReply(facts) : emptyReply(facts) };
}
