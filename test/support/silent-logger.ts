// A logger for tests that do not look at lines, and one for those that do.
import type { Logger } from '../../src/observability/logger.ts';

export const silentLogger: Logger = { write: () => undefined };

export interface RecordedLine {
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function createRecordingLogger(): { readonly logger: Logger; readonly lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  return { lines, logger: { write: (event, fields) => void lines.push({ event, fields: { ...fields } }) } };
}
