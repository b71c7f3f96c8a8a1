/** Unit tests of each room, and end-to-end tests through the built hooks in the sandbox (test/e2e). */
module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022' } }],
    // As esbuild's text loader does.
    '^.+\\.sh$': '<rootDir>/scripts/jest-text.js',
  },
  testTimeout: 60_000,
  // One more than the two cores it is meant for: many tests wait for a cloud, a network or a limit.
  maxWorkers: 3,
};
