// The journal's file as a model: what was written is lost at a crash unless it was synced, or unless chance kept it.
// The journal itself, its queue of appends and its answers inside one transaction are the real ones.
import type { AppError } from '../../src/core/app-error.ts';
import { answerAll, refuseAll } from '../../src/journal/journal-answers.ts';
import type { JournalDatabase } from '../../src/journal/journal-database.ts';
import type { JournalLink } from '../../src/journal/journal-link.ts';
import type {
  Answer,
  AnswerBody,
  Bounds,
  JournalFacts,
  Request,
} from '../../src/journal/journal-messages.ts';
import { AppError as Refusal } from '../../src/core/app-error.ts';
import { copyTables, emptyTables, rowsOn, type JournalTables } from './model-journal-rows.ts';
import type { Life, Schedule } from './schedule.ts';

export interface DiskFaults {
  /** How often a commit fails, 0 to 1. */
  failing: number;
  /** How long a commit takes beyond its usual, milliseconds. */
  hangMs: number;
}

export interface ReleasedRow {
  readonly journalId: string;
  readonly sequence: number;
  readonly body: Uint8Array;
}

export interface ModelDisk {
  readonly journalId: string;
  readonly faults: DiskFaults;
  /** The file as a process would find it after losing its power now. */
  synced(): JournalTables;
  /** Opens the file for one life; to be handed to the real journal. */
  openLink(life: Life): (options: { readonly onAppended: () => void }) => Promise<JournalLink>;
}

interface ModelDiskOptions {
  readonly schedule: Schedule;
  readonly name: string;
  /** Told of each delivery the moment its row is gone for good. */
  readonly onReleased: (row: ReleasedRow) => void;
}

const reopenMs = 250;
/** Sequences of one opening never meet those of the next. */
const sequencesPerOpening = 1_000;

export function createModelDisk({ schedule, name, onReleased }: ModelDiskOptions): ModelDisk {
  const journalId = schedule.random.uuid();
  const faults: DiskFaults = { failing: 0, hangMs: 0 };
  let synced = emptyTables();
  let openings = 0;

  function sync(written: JournalTables): void {
    const kept = new Set(written.rows.map(({ sequence }) => sequence));
    for (const { sequence, body } of synced.rows) {
      if (!kept.has(sequence)) onReleased({ journalId, sequence, body });
    }
    synced = written;
  }

  return {
    journalId,
    faults,
    synced: () => synced,
    openLink: (life) => async (options) => {
      openings += 1;
      synced = {
        ...synced,
        nextSequence: Math.max(synced.nextSequence, openings * sequencesPerOpening + 1),
      };
      const file: ModelFile = { journalId, faults, read: () => synced, sync };
      return openModelThread({ schedule, life, name, file, onAppended: options.onAppended });
    },
  };
}

interface ModelFile {
  readonly journalId: string;
  readonly faults: DiskFaults;
  read(): JournalTables;
  sync(written: JournalTables): void;
}

interface ModelThreadOptions {
  readonly schedule: Schedule;
  readonly life: Life;
  readonly name: string;
  readonly file: ModelFile;
  readonly onAppended: () => void;
}

interface Asker {
  settle(body: AnswerBody): void;
  fail(error: AppError): void;
}

function openModelThread({ schedule, life, name, file, onAppended }: ModelThreadOptions): JournalLink {
  const { random } = schedule;
  const askers = new Map<number, Asker>();
  const inbox: Request[] = [];
  let lastNumber = 0;
  let busy = false;
  let failed = false;
  let outageUntilMs = 0;
  let written: JournalTables | null = null;
  let isClosed = false;

  // The kernel may have written out what was never synced, or not.
  life.onEnd(() => {
    if (written !== null && random.chance(0.5)) file.sync(written);
  });

  function begin(): void {
    if (busy || inbox.length === 0) return;
    busy = true;
    const inMs = schedule.latencyMs() + file.faults.hangMs;
    schedule.plan({ inMs, what: `${name} thread takes`, life, run: commit });
  }

  function commit(): void {
    const requests = inbox.splice(0, random.chance(0.2) ? 1 : inbox.length);
    const answers = answer(requests);
    const say = () =>
      schedule.plan({
        inMs: random.integer(0, 2),
        what: `${name} thread answers`,
        life,
        run: () => reply(answers),
      });
    if (written === null) {
      say();
      return;
    }
    schedule.plan({
      inMs: schedule.latencyMs(),
      what: `${name} fsync of ${requests.length}`,
      life,
      run() {
        if (written !== null) file.sync(written);
        written = null;
        say();
      },
    });
  }

  function answer(requests: readonly Request[]): Answer[] {
    if (schedule.nowMs() < outageUntilMs) return refuseAll(requests, 'the file is being opened again');
    try {
      const answers = answerAll(modelDatabase(), requests);
      failed = false;
      return answers;
    } catch {
      failed = true;
      outageUntilMs = schedule.nowMs() + reopenMs;
      return refuseAll(requests, 'EIO');
    }
  }

  function modelDatabase(): Pick<JournalDatabase, 'transaction'> {
    return {
      transaction(work) {
        const tables = copyTables(file.read());
        work(rowsOn(tables, file.journalId));
        if (!tables.isChanged) return;
        if (!random.chance(file.faults.failing)) {
          written = tables;
          return;
        }
        // A commit that reported a failure may be in the file all the same.
        if (random.chance(0.4)) file.sync(tables);
        throw new Error('EIO');
      },
    };
  }

  function reply(answers: readonly Answer[]): void {
    busy = false;
    for (const { number, body } of answers) {
      askers.get(number)?.settle(body);
      askers.delete(number);
    }
    if (answers.some(({ body }) => body.kind === 'appended')) onAppended();
    begin();
  }

  return {
    journalId: file.journalId,
    ask(question, read) {
      if (isClosed) return Promise.reject(new Refusal('NOT_DURABLE', 'the journal is closed'));
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof read>>();
      lastNumber += 1;
      askers.set(lastNumber, {
        settle(body) {
          if (body.kind === 'failed') reject(new Refusal(body.code, body.message));
          else resolve(read(body));
        },
        fail: reject,
      });
      inbox.push({ number: lastNumber, question });
      begin();
      return promise;
    },
    facts: (): JournalFacts => ({
      rows: file.read().rows.length,
      bytes: 0,
      oldestReceivedAt: file.read().rows[0]?.receivedAt ?? null,
      commits: 0,
      failure: failed ? 'NOT_DURABLE' : null,
    }),
    async close() {
      isClosed = true;
      for (const asker of askers.values()) asker.fail(new Refusal('NOT_DURABLE', 'the journal was closed'));
    },
  };
}

export function covers(bounds: Bounds, sequence: number): boolean {
  return sequence >= bounds.first && sequence <= bounds.last;
}
