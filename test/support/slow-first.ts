// The order of test files: those that mostly wait for processes, locks and time-outs come first, so that none of them is
// left over at the end with nothing beside it. Changes no test and skips none.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** By measurement: each of these takes most of a minute or more. */
const slowFiles =
  /(e2e\/|matrix-worker|matrix-journal-kill|matrix-postgres|matrix-receiver|journal-faults|simulation\.test|slowhttptest|installations|lost-webhooks)/;

export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's own method, no array's
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

function isSlow({ moduleId }: TestSpecification): boolean {
  return slowFiles.test(moduleId);
}
