// Says which tools of this machine a fault can be made with. Looks only, starts nothing.
import { findProgram } from './engines-binaries.ts';

export function hasTool(name: string): boolean {
  return findProgram(name) !== undefined;
}
