import { defineConfig } from 'vitest/config';

const report = process.env['NARROWFIRE_TEST_REPORT'];

// biome-ignore lint/style/noDefaultExport: vitest reads its configuration from the default export.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more forks than that only makes each slower.
    maxWorkers: 2,
    pool: 'forks',
    reporters: [
      'default',
      ...(report === undefined ? [] : [['json', { outputFile: report }] as const]),
    ],
  },
});
