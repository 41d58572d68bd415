// Variables of keeping and running: retention, concurrency, shutdown, operations listener, log. Described here only.
import { choice, matching, numberWithDefault, optional, optionalNumber, withDefault } from './env-fields.ts';

const keepDays = { min: 0, max: 3650, unit: 'days' } as const;

export const retentionVariables = {
  BODY_KEEP_DAYS: numberWithDefault({
    ...keepDays,
    fallback: '7',
    describe: 'How long the body of a concluded event is kept.',
  }),
  EVENT_KEY_KEEP_DAYS: numberWithDefault({
    ...keepDays,
    min: 1,
    fallback: '120',
    describe: 'How long a concluded event is remembered, so that a late duplicate is known.',
  }),
  QUARANTINE_KEEP_DAYS: numberWithDefault({
    ...keepDays,
    fallback: '30',
    describe: 'How long quarantined and failed events are kept with their bodies.',
  }),
  CHANGES_KEEP_DAYS: numberWithDefault({
    ...keepDays,
    min: 1,
    fallback: '30',
    describe: 'How long the change feed reaches back.',
  }),
};

export const runningVariables = {
  WORKER_CONCURRENCY: numberWithDefault({
    fallback: '16',
    min: 1,
    max: 256,
    describe:
      'Calls to Lean at a time, and events that are applied alone. Of events eight times as many are in hand, so that they can share transactions, but no more than 256 unless this is more.',
  }),
  SHUTDOWN_DELAY_MS: numberWithDefault({
    fallback: '5000',
    min: 0,
    max: 300_000,
    unit: 'ms',
    describe: 'After SIGTERM a receiver is unready and serves on for so long.',
  }),
  SHUTDOWN_TIMEOUT_MS: numberWithDefault({
    fallback: '10000',
    min: 100,
    max: 600_000,
    unit: 'ms',
    describe: 'How long finishing may take after that.',
  }),
};

export const operationsVariables = {
  OPS_HOST: withDefault(matching(/^[^\s/]{1,253}$/, 'must be an address or a host name'), {
    fallback: '127.0.0.1',
    describe: 'Address of the operations listener; never a public one.',
  }),
  OPS_PORT: optionalNumber({
    min: 0,
    max: 65_535,
    workedOut: '9464 receiver, 9465 worker',
    describe: 'Port of the operations listener; 0 takes any free one.',
  }),
  OPS_TOKEN: optional(
    matching(/^[\x21-\x7e]{16,}$/, 'must be at least 16 printable ASCII characters without spaces'),
    {
      describe: 'Opens `/status` and `/queues`, which do not exist without it.',
      secret: true,
    },
  ),
  LOG_LEVEL: withDefault(choice(['debug', 'info', 'warn', 'error', 'silent']), {
    fallback: 'info',
    describe: 'The quietest lines that are still written.',
  }),
};
