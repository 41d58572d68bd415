// One group of requests, answered inside one transaction.
import { AppError } from '../core/app-error.ts';
import type { JournalDatabase } from './journal-database.ts';
import type { Answer, AnswerBody, Bounds, Question, Request } from './journal-messages.ts';
import type { JournalRows } from './journal-rows.ts';

/** Throws when the transaction could not be committed; then nobody may be told that anything was kept. */
export function answerAll(
  database: Pick<JournalDatabase, 'transaction'>,
  requests: readonly Request[],
): Answer[] {
  const answers: Answer[] = [];
  database.transaction((rows) => {
    for (const { number, question } of requests)
      answers.push({ number, body: answerQuestion(rows, question) });
  });
  return answers;
}

export function refuseAll(requests: readonly Request[], reason: string): Answer[] {
  const message = `the journal could not commit: ${reason}`;
  return requests.map(({ number }) => ({ number, body: { kind: 'failed', code: 'NOT_DURABLE', message } }));
}

export function writes({ question: { kind } }: Request): boolean {
  return kind === 'append' || kind === 'cut' || kind === 'delete' || kind === 'writeInstallation';
}

function answerQuestion(rows: JournalRows, question: Question): AnswerBody {
  switch (question.kind) {
    case 'append':
      return { kind: 'appended', first: rows.append(question.deliveries) };
    case 'cut':
      return { kind: 'batch', batch: rows.cut() };
    case 'openBatches':
      return { kind: 'bounds', bounds: rows.openBatches() };
    case 'read':
      return readBatch(rows, question.bounds);
    case 'delete':
      rows.remove(question.bounds);
      return { kind: 'done' };
    case 'readInstallation':
      return { kind: 'installation', installation: rows.readMeta('installation') };
    case 'writeInstallation':
      rows.writeMeta('installation', question.installation);
      return { kind: 'done' };
    case 'close':
      return { kind: 'done' };
  }
}

/** A batch nobody recorded is the asker's mistake alone; its neighbours in the transaction are answered as ever. */
function readBatch(rows: JournalRows, bounds: Bounds): AnswerBody {
  try {
    return { kind: 'batch', batch: rows.read(bounds) };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'JOURNAL_BATCH_UNKNOWN') throw error;
    return { kind: 'failed', code: error.code, message: error.message };
  }
}
