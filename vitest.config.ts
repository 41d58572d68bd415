import { defineConfig } from 'vitest/config';
import { leftOutFiles, testFiles } from './test/support/engine-tests.ts';
import { runEngines } from './test/support/engines-choice.ts';
import { createSummaryReporter } from './test/support/engines-reporter.ts';
import { SlowFirst } from './test/support/slow-first.ts';

const { withEngines } = testFiles(import.meta.dirname);
const leftOut = leftOutFiles(runEngines());
const services = ['test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      // Pure functions: what one file has loaded serves the next, which is most of what these files cost.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          exclude: [...withEngines],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: services, exclude: [...withEngines] } },
      // All that engines reach; test/run.ts names this project for --engine-tests.
      { extends: true, test: { name: 'engines', include: [...withEngines], exclude: [...leftOut] } },
    ],
    globalSetup: ['test/support/engines-setup.ts'],
    reporters: ['default', createSummaryReporter()],
    sequence: { sequencer: SlowFirst },
    pool: 'forks',
    // They share one Redis and one Postgres, and most start processes of their own and wait for them: more than there are
    // cores, so that one waits while another works.
    maxWorkers: 3,
    // Only a test that fails takes as long: on a machine that others keep busy everything takes many times as long as alone.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 25_000 } },
    teardownTimeout: 20_000,
    restoreMocks: true,
    // Nobody came in time: on a machine that others keep busy that proves nothing either way, so it is tried once more, and
    // the run's last lines name it. What was wrong in the end, and was not only late, is never tried again.
    retry: { count: 1, condition: /deadline passed|^(?:Test|Hook) timed out in/ },
  },
});
