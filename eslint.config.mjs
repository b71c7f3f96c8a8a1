import boundaries from 'eslint-plugin-boundaries';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const to = (from, ...types) => ({
  from: { element: { type: from } },
  allow: { to: { element: { types: { anyOf: types } } } },
});

export default tseslint.config(
  { ignores: ['dist/**', 'dist.*/**', 'node_modules/**', 'coverage/**'] },
  ...tseslint.configs.recommended,
  prettier,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // One way down: entry point, use case, noun, outside world (test/architecture.test.ts holds the
    // same, and the bundles).
    files: ['src/**/*.ts', 'executor/**/*.ts', 'stacks/**/*.ts', 'sandbox/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'import/resolver': { typescript: { alwaysTryTypes: true } },
      'boundaries/elements': [
        { type: 'entry', pattern: ['executor', 'src/cli'] },
        { type: 'composition', pattern: 'src/composition' },
        {
          type: 'use-case',
          pattern: [
            ...['hooks', 'prepare', 'spares', 'stages', 'teardown', 'reaper'],
            ...['images', 'init', 'register', 'doctor', 'metrics', 'board', 'notices'],
          ].map((room) => `src/${room}`),
        },
        { type: 'noun', pattern: 'src/*' },
        { type: 'shared', pattern: 'src' },
        { type: 'stacks', pattern: 'stacks' },
        { type: 'sandbox', pattern: 'sandbox' },
      ],
    },
    rules: {
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: [
            to('entry', 'entry', 'composition', 'use-case', 'noun', 'shared', 'stacks'),
            to('composition', 'composition', 'use-case', 'noun', 'shared', 'stacks'),
            to('use-case', 'use-case', 'noun', 'shared', 'stacks'),
            to('noun', 'noun', 'shared', 'stacks'),
            to('shared', 'noun', 'shared'),
            to('stacks', 'stacks'),
            to('sandbox', 'sandbox'),
          ],
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'executor/**/*.ts'],
    ignores: ['src/engine/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { patterns: [{ group: ['@pulumi/*'], message: 'Only src/engine loads Pulumi.' }] },
      ],
    },
  },
  { files: ['test/**/*.ts'], rules: { 'max-lines': 'off' } },
  { files: ['**/*.js'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
