// Places for requests in flight: who gets one, who gives way, and who never does.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createInFlight, type InFlightLimits, type Place } from '../../src/receiver/in-flight.ts';

function room(limits: Partial<InFlightLimits> = {}) {
  const inFlight = createInFlight({ places: 2, unprovenPerConnection: 2, unprovenBytes: 100, ...limits });
  const gone: string[] = [];
  /** A place as a test uses it, or the reason why there is none. */
  function enter(
    name: string,
    { isProven = false, connection = {} }: { isProven?: boolean; connection?: object } = {},
  ) {
    return inFlight.enter({ connection, isProven, giveWay: () => gone.push(name) });
  }
  return { inFlight, gone, enter };
}

function placed(place: Place | string): Place {
  if (typeof place === 'string') throw new Error(`no place: ${place}`);
  return place;
}

describe('without a place left', () => {
  it('the oldest upload without a proof gives way to a newcomer, whoever that is', () => {
    const { inFlight, gone, enter } = room();
    for (const name of ['first', 'second', 'third']) placed(enter(name));
    placed(enter('fourth', { isProven: true }));
    expect(gone).toEqual(['first', 'second']);
    expect(inFlight.count()).toBe(2);
  });

  it('a request that is whole stays, and so does one over a proven connection', () => {
    const { gone, enter } = room();
    placed(enter('whole')).keep();
    placed(enter('proven', { isProven: true }));
    expect(enter('newcomer')).toBe('NO_PLACE_LEFT');
    expect(enter('proven newcomer', { isProven: true })).toBe('NO_PLACE_LEFT');
    expect(gone).toEqual([]);
  });

  it('an upload stays from the moment its connection has a proof', () => {
    const { inFlight, gone, enter } = room({ places: 1 });
    const connection = {};
    placed(enter('upload', { connection }));
    inFlight.prove(connection);
    expect(enter('newcomer')).toBe('NO_PLACE_LEFT');
    expect(gone).toEqual([]);
  });

  it('a place that was left is free, and leaving it twice frees no other', () => {
    const { inFlight, gone, enter } = room();
    const place = placed(enter('first'));
    placed(enter('second'));
    place.leave();
    place.leave();
    place.received(1_000);
    placed(enter('third'));
    expect(gone).toEqual([]);
    expect(inFlight.count()).toBe(2);
  });
});

it('a connection without a proof has a few places, and pushes nobody out for more', () => {
  const { inFlight, gone, enter } = room({ places: 3 });
  const connection = {};
  placed(enter('first', { connection }));
  const second = placed(enter('second', { connection }));
  placed(enter('of another'));
  expect(enter('third', { connection })).toBe('PIPELINED');
  expect(gone).toEqual([]);
  second.leave();
  placed(enter('third', { connection }));
  inFlight.prove(connection);
  placed(enter('fourth', { connection, isProven: true }));
  expect(gone).toEqual(['of another']);
});

describe('bytes of senders without a proof', () => {
  it('are bounded together, and the oldest upload gives way', () => {
    const { gone, enter } = room({ places: 10 });
    const [first, second, third] = ['first', 'second', 'third'].map((name) => placed(enter(name)));
    first?.received(40);
    second?.received(60);
    expect(gone).toEqual([]);
    third?.received(1);
    expect(gone).toEqual(['first']);
    third?.received(100);
    expect(gone).toEqual(['first', 'second', 'third']);
  });

  it('no longer count once the body is whole, its sender has a proof or is gone', () => {
    const { inFlight, gone, enter } = room({ places: 10 });
    const connection = {};
    const places = ['whole', 'left', 'proven'].map((name) =>
      placed(enter(name, { connection: name === 'proven' ? connection : {} })),
    );
    for (const place of places) place.received(33);
    places[0]?.keep();
    places[1]?.leave();
    inFlight.prove(connection);
    for (const place of places) place.received(1_000);
    placed(enter('last')).received(100);
    expect(gone).toEqual([]);
  });
});

it('whatever happens in whatever order: never more places than there are, and nobody who may stay is pushed out', () => {
  const step = fc.record({
    connection: fc.nat({ max: 5 }),
    act: fc.constantFrom('enter', 'receive', 'keep', 'leave', 'prove'),
    which: fc.nat({ max: 30 }),
    bytes: fc.nat({ max: 120 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const inFlight = createInFlight({ places: 4, unprovenPerConnection: 2, unprovenBytes: 100 });
      const connections = Array.from({ length: 6 }, () => ({ isProven: false }));
      const open: { place: Place; mayStay: () => boolean; isGone: boolean; isKept: boolean }[] = [];
      for (const { connection: index, act, which, bytes } of steps) {
        const connection = connections[index];
        if (connection === undefined) throw new Error('no such connection');
        if (act === 'enter') {
          const state = { isGone: false, isKept: false, mayStay: () => state.isKept || connection.isProven };
          const place = inFlight.enter({
            connection,
            isProven: connection.isProven,
            giveWay() {
              expect(state.mayStay() || state.isGone).toBe(false);
              state.isGone = true;
            },
          });
          if (typeof place !== 'string') open.push(Object.assign(state, { place }));
        }
        if (act === 'prove') {
          connection.isProven = true;
          inFlight.prove(connection);
        }
        const request = open[which % Math.max(1, open.length)];
        if (request === undefined) continue;
        if (act === 'receive') request.place.received(bytes);
        if (act === 'keep') {
          request.isKept ||= !request.isGone;
          request.place.keep();
        }
        if (act === 'leave') {
          request.isGone = true;
          request.place.leave();
        }
        expect(inFlight.count()).toBe(open.filter(({ isGone }) => !isGone).length);
        expect(inFlight.count()).toBeLessThanOrEqual(4);
      }
    }),
  );
});
