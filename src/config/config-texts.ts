// The variables as texts, and what is found wrong or odd about them: the words that the rules share.
// Pure, and never shows a value to anybody.
import type { FailureCode } from '../core/failure-codes.ts';
import { variableFacts, type VariableName } from './env-schema.ts';

export type Texts = Partial<Record<VariableName, string>>;

export interface ConfigWarning {
  readonly code?: FailureCode;
  readonly variable: string;
  readonly problem: string;
}

export type Problem = readonly [name: VariableName, problem: string];

/** What counts, be it set or the default. */
export function textOf(texts: Texts, name: VariableName): string | undefined {
  return texts[name] ?? variableFacts(name).fallback;
}
