// What this process needs before it should get work, as named checks for `/readyz`.
// A check looks at a value that is already known: it never waits and never asks an engine.

export interface CheckResult {
  readonly ok: boolean;
  /** Why not, as a failure code. */
  readonly code?: string;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface Readiness {
  /** A second check under the same name takes the place of the first. */
  register(name: string, check: () => CheckResult): void;
  /** Ready when every check is; a check that throws counts as not ok. */
  report(): ReadinessReport;
}

export function createReadiness(): Readiness {
  const checks = new Map<string, () => CheckResult>();
  return {
    register(name, check) {
      checks.set(name, check);
    },
    report() {
      const results: Record<string, CheckResult> = {};
      for (const [name, check] of checks) results[name] = runCheck(check);
      return { ready: Object.values(results).every((result) => result.ok), checks: results };
    },
  };
}

function runCheck(check: () => CheckResult): CheckResult {
  try {
    return check();
  } catch {
    return { ok: false, code: 'CHECK_FAILED' };
  }
}
