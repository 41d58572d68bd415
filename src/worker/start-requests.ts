// Everything by which a worker takes up what the application asks for: the timers that look, and the ear that wakes
// them. Works without the ear as well, some seconds later.
import { createOpened } from '../core/opened.ts';
import { openRequestListener, type ListenerBounds } from '../store/request-listener.ts';
import { startErasureTimer } from './erasure-timer.ts';
import { startRequestTimer, type RequestTimerOptions } from './request-timer.ts';

export interface RequestsOptions extends RequestTimerOptions {
  /** DATABASE_URL; null: an embedded database, which nobody can listen to. */
  readonly listenUrl: string | null;
  /** For tests. */
  readonly listenerBounds?: Partial<ListenerBounds>;
}

export interface RunningRequests {
  /** Hands an erasure back, and starts nothing any more. */
  close(): Promise<void>;
}

export function startRequests(options: RequestsOptions): RunningRequests {
  const { database, logger, listenUrl, listenerBounds } = options;
  const opened = createOpened();
  const requests = startRequestTimer(options);
  opened.add(() => requests.close());
  const erasures = startErasureTimer(options);
  opened.add(() => erasures.close());
  if (listenUrl !== null) {
    const listener = openRequestListener({
      url: listenUrl,
      database,
      ...(listenerBounds !== undefined && { bounds: listenerBounds }),
      onAsked() {
        requests.wake();
        erasures.wake();
      },
      onState: (outcome, error) =>
        logger.write('request_listening', { outcome, ...(error !== undefined && { error }) }),
    });
    opened.add(() => listener.close());
  }
  return { close: () => opened.closeAll() };
}
