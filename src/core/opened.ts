// What was opened is closed in the reverse order, and one that fails to close does not keep the others open.

export interface Opened {
  /** `close` may be anything that ends what was opened; its result is not looked at. */
  add(close: () => unknown): void;
  /** Each at most once, however often this is called. Throws an AggregateError of what failed, after all were tried. */
  closeAll(): Promise<void>;
}

export function createOpened(): Opened {
  const closers: (() => unknown)[] = [];
  return {
    add(close) {
      closers.push(close);
    },
    async closeAll() {
      const failures: unknown[] = [];
      for (const close of closers.splice(0).toReversed()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, 'closing failed');
    },
  };
}
