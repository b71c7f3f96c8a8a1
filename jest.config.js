const common = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022' } }],
    // As esbuild's text loader does.
    '^.+\\.(sh|html|css)$': '<rootDir>/scripts/jest-text.js',
  },
};
const LONG = '\\.long\\.test\\.ts$';

/**
 * Two suites. `quick` (`npm test`) is for before each commit. `long` has what is long by its
 * nature: crashes, load, a moving market, connections cut at random, real image builds. `npm run
 * test:all` runs both.
 */
module.exports = {
  projects: [
    {
      ...common,
      displayName: 'quick',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', LONG],
    },
    { ...common, displayName: 'long', testMatch: ['<rootDir>/test/**/*.long.test.ts'] },
  ],
  globalSetup: '<rootDir>/test/support/run/own-folder.ts',
  globalTeardown: '<rootDir>/test/support/run/nothing-left.ts',
  reporters: ['default', '<rootDir>/test/support/run/skipped-tests.js'],
  testTimeout: 60_000,
};
