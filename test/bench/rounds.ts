// Rounds of the benchmark: all subjects in turn, and again, so that a machine that slows down slows all of them. Pure but
// for the measuring it is handed.

/** Measures every subject once a round; the values of a subject, in order of rounds. */
export async function interleave<Subject extends { readonly name: string }, Value>(options: {
  readonly rounds: number;
  readonly subjects: readonly Subject[];
  readonly measure: (subject: Subject, round: number) => Promise<Value>;
}): Promise<ReadonlyMap<string, readonly Value[]>> {
  const values = new Map<string, Value[]>(options.subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const subject of options.subjects) {
      values.get(subject.name)?.push(await options.measure(subject, round));
    }
  }
  return values;
}

/** The middle one, or half way between the two in the middle; NaN of nothing, and where one of them is NaN. */
export function median(values: readonly number[]): number {
  if (values.some((value) => Number.isNaN(value))) return Number.NaN;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted.length % 2 === 0 ? (sorted[middle - 1] ?? Number.NaN) : upper;
  return (lower + upper) / 2;
}

export function spread(values: readonly number[]): { readonly least: number; readonly most: number } {
  return { least: Math.min(...values), most: Math.max(...values) };
}

/** Of each round by itself: both were measured within seconds of each other. NaN beside nothing: that is no victory. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.slice(0, theirs.length).map((value, round) => value / (theirs[round] || Number.NaN));
}

export type Target = { readonly atMost: number } | { readonly atLeast: number };

export type Verdict = 'met' | 'missed' | 'not measured';

export function judge(target: Target, values: readonly number[]): Verdict {
  const value = median(values);
  if (!Number.isFinite(value)) return 'not measured';
  return ('atMost' in target ? value <= target.atMost : value >= target.atLeast) ? 'met' : 'missed';
}
