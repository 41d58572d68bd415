import { defineConfig, type OxlintOverride } from 'oxlint';

/**
 * The floors of the service: module -> [modules it may import, packages it may use].
 * An import that is not listed here does not lint. Apart from zod and `node:` modules a package is
 * used on one floor only, so replacing a library means editing one folder.
 */
const floors: Record<string, [modules: string[], packages: string[]]> = {
  core: [[], ['zod', 'node:crypto']],
  config: [['core'], ['zod', 'node:fs']],
  observability: [['core'], ['pino', 'prom-client']],
  tls: [['core'], ['node:fs', 'node:fs/promises', 'node:tls', 'node:net', 'node:crypto']],
  sealing: [['core'], ['node:crypto']],
  lean: [
    ['core', 'tls'],
    ['zod', 'undici', 'node:crypto', 'node:tls'],
  ],
  queue: [
    ['core', 'sealing'],
    ['bullmq', 'ioredis', '@bull-board/api', '@bull-board/api/**', 'zod', 'node:crypto'],
  ],
  journal: [
    ['core', 'sealing'],
    ['node:sqlite', 'node:fs', 'node:path', 'node:crypto', 'node:worker_threads', 'zod'],
  ],
  // PGlite is handed in as kysely's dialect, so the store knows only kysely and pg.
  store: [
    ['core', 'sealing'],
    ['kysely', 'kysely/migration', 'pg', 'zod', 'node:crypto'],
  ],
  receiver: [
    ['core', 'config', 'tls', 'lean', 'queue', 'journal', 'observability', 'sealing'],
    [
      'fastify',
      '@fastify/helmet',
      'zod',
      'node:https',
      'node:http',
      'node:tls',
      'node:net',
      'node:crypto',
      'node:timers/promises',
    ],
  ],
  worker: [
    ['core', 'config', 'sealing', 'lean', 'queue', 'store', 'observability', 'tls'],
    ['zod', 'node:crypto', 'node:timers/promises'],
  ],
  operations: [
    ['core', 'config', 'observability', 'tls', 'lean', 'queue', 'store', 'journal', 'sealing'],
    [
      'fastify',
      '@fastify/helmet',
      '@bull-board/fastify',
      'close-with-grace',
      'zod',
      'node:http',
      'node:https',
      'node:net',
      'node:tls',
      'node:crypto',
      'node:util',
    ],
  ],
  embedded: [
    ['core', 'queue', 'store'],
    [
      '@electric-sql/pglite',
      'js-redis-server',
      'node:child_process',
      'node:events',
      'node:fs',
      'node:net',
      'node:os',
      'node:path',
      'node:url',
      'node:readline',
      'node:sqlite',
      'zod',
      'kysely',
    ],
  ],
};

const floorOverrides = Object.entries(floors).map(([module, [modules, packages]]): OxlintOverride => ({
  files: [`src/${module}/**`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: [
              '*',
              '!./*',
              ...modules.map((name) => `!../${name}/*`),
              ...packages.map((name) => `!${name}`),
            ],
            message: `src/${module} may import only ${['./', ...modules, ...packages].join(', ')}. See src/README.md.`,
          },
        ],
      },
    ],
  },
}));

export default defineConfig({
  plugins: ['typescript', 'import', 'node', 'promise', 'unicorn', 'oxc', 'vitest'],
  options: { typeAware: true },
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/consistent-return': 'off', // false positive on exhaustive switches; the rule above covers it
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'node/no-process-env': 'error',
    'no-console': 'error',
    'no-await-in-loop': 'off', // most of our loops are in order on purpose: pages, batches, retries
    'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
    'max-lines-per-function': ['error', { max: 70 }],
  },
  overrides: [
    { files: ['src/main-*.ts'], rules: { 'node/no-process-env': 'off' } },
    {
      files: ['test/**'],
      rules: {
        'vitest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expectRefused'] }],
        'import/no-named-as-default-member': 'off',
        'max-lines-per-function': 'off',
      },
    },
    {
      // The command line's own programs: they talk to a person and start other processes.
      files: [
        'test/run.ts',
        'test/check.ts',
        'test/demo.ts',
        'test/licences.ts',
        'test/write-docs.ts',
        'test/simulator/main.ts',
        'test/simulation/main.ts',
        'test/conformance/{main,fuzz,mutations}.ts',
        'test/torture/{main,broken-builds}.ts',
        'test/support/engines-*.ts',
      ],
      rules: { 'node/no-process-env': 'off', 'no-console': 'off' },
    },
    { files: ['*.config.ts'], rules: { 'import/no-default-export': 'off' } },
    ...floorOverrides,
  ],
});
