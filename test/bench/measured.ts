// Measures subjects in turn, lets each come to rest before the next, and makes lines of the table of what came out.
import { interleave, ratios, type Target } from './rounds.ts';
import type { BenchContext, Figure, Ratio, ScenarioResult } from './scenario.ts';
import type { Subject } from './subjects.ts';

export interface Measured<Value> {
  /** One line a subject. */
  figures(line: { what: string; unit: string; value: (measured: Value) => number }): Figure[];
  /** Round by round; nothing where one of the two was left out. */
  ratio(compared: {
    readonly what: string;
    readonly of: string;
    readonly to: string;
    readonly target: Target | null;
    readonly value: (measured: Value) => number;
  }): Ratio[];
}

export async function measureInTurns<Value>(
  context: Pick<BenchContext, 'rounds'>,
  { subjects, measure }: { subjects: readonly Subject[]; measure: (subject: Subject) => Promise<Value> },
): Promise<Measured<Value>> {
  const all = await interleave({
    rounds: context.rounds,
    subjects,
    async measure(subject) {
      try {
        const value = await measure(subject);
        await subject.rest();
        return value;
      } catch (error) {
        throw new Error(`${subject.name} did not work`, { cause: error });
      }
    },
  });
  return {
    figures: ({ what, unit, value }) =>
      [...all].map(([subject, rounds]) => ({ subject, what, unit, rounds: rounds.map(value) })),
    ratio({ what, of, to, target, value }) {
      const [ours, theirs] = [all.get(of), all.get(to)];
      if (ours === undefined || theirs === undefined) return [];
      return [{ what, target, rounds: ratios(ours.map(value), theirs.map(value)) }];
    },
  };
}

/** One table of several. */
export function joined(results: readonly ScenarioResult[]): ScenarioResult {
  return {
    figures: results.flatMap(({ figures }) => figures),
    ratios: results.flatMap(({ ratios: all }) => all),
  };
}
