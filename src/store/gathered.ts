// What is asked of Postgres within one turn of the event loop becomes one statement, where somebody has said that it may:
// round trips cost a busy worker more than anything else. An error is everybody's who asked.
import type { Executor } from './database.ts';

/** Answers in the order of the questions. */
type Run<Question, Answer> = (questions: readonly Question[]) => Promise<readonly Answer[]>;

interface Asked<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

/** Puts together the questions that come before the next turn of the event loop; how many that are is bounded by who asks. */
export function createGatherer<Question, Answer>(
  run: Run<Question, Answer>,
): (question: Question) => Promise<Answer> {
  let waiting: Asked<Question, Answer>[] = [];

  async function answerAll(asked: readonly Asked<Question, Answer>[]): Promise<void> {
    try {
      const answers = await run(asked.map(({ question }) => question));
      if (answers.length !== asked.length) throw new Error('not every question was answered');
      for (const [place, answer] of answers.entries()) asked[place]?.resolve(answer);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  return (question) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (waiting.length === 0) {
      setImmediate(() => {
        const asked = waiting;
        waiting = [];
        void answerAll(asked);
      });
    }
    waiting.push({ question, resolve, reject });
    return promise;
  };
}

const gathering = new WeakSet<Executor>();

/** From now on statements made by `gathered` are put together on this transaction, which several use at one time. */
export function gatherOn(transaction: Executor): void {
  gathering.add(transaction);
}

/** A statement that can answer several at once; on any other executor everybody's is one of its own. */
export function gathered<Question, Answer>(
  run: (executor: Executor, questions: readonly Question[]) => Promise<readonly Answer[]>,
): (executor: Executor, question: Question) => Promise<Answer> {
  const gatherers = new WeakMap<Executor, (question: Question) => Promise<Answer>>();
  return async (executor, question) => {
    if (gathering.has(executor)) {
      const ask = gatherers.get(executor) ?? createGatherer((questions) => run(executor, questions));
      gatherers.set(executor, ask);
      return ask(question);
    }
    for (const answer of await run(executor, [question])) return answer;
    throw new Error('the question was not answered');
  };
}
