// What a scenario of the benchmark is: it measures and says what it measured. Never judges: a target that is missed is
// a word in the table. It throws only when something did not work at all, such as an answer that was not 200.
export interface Scenario {
  /** As the command line takes it; its file's name. */
  readonly name: string;
  readonly title: string;
  run(context: BenchContext): Promise<ScenarioResult>;
}

export interface BenchContext {
  /** One round of about a second each: whether it works, not how fast. */
  readonly quick: boolean;
  readonly rounds: number;
  readonly say: (line: string) => void;
  /** The scenario's own, removed at its end. */
  readonly folder: string;
}

export interface ScenarioResult {
  /** One a line of the table. */
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
}

export interface Figure {
  readonly subject: string;
  readonly what: string;
  readonly unit: string;
  /** One value a round. */
  readonly rounds: readonly number[];
}

export interface Ratio {
  readonly what: string;
  /** null: told, and nothing is aimed at. */
  readonly target: { readonly atMost: number } | { readonly atLeast: number } | null;
  readonly rounds: readonly number[];
}
