'use strict';
const path = require('node:path');

/**
 * Says at the end of a run which tests were skipped, a line for each reason (test/support/skip.ts).
 * A skip without a reason fails the run.
 */
module.exports = class SkippedTests {
  constructor({ rootDir, testNamePattern }) {
    this.rootDir = rootDir;
    // With `-t`, jest counts all other tests as skipped.
    this.wanted = !testNamePattern;
    this.unexplained = [];
  }

  onRunComplete(_contexts, { testResults }) {
    if (!this.wanted) return;
    const filesOf = new Map();
    for (const { testFilePath, testResults: tests } of testResults) {
      const file = path.relative(this.rootDir, testFilePath);
      for (const test of tests.filter(({ status }) => status === 'pending' || status === 'todo')) {
        const reason = reasonOf(test);
        if (reason === undefined) this.unexplained.push(`${file}: ${test.fullName}`);
        else filesOf.set(reason, [...(filesOf.get(reason) ?? []), file]);
      }
    }
    for (const [reason, files] of filesOf)
      process.stderr.write(`skipped, ${reason}: ${files.length} tests in ${[...new Set(files)].join(', ')}\n`);
    // Jest itself only ends with a failure.
    for (const test of this.unexplained) process.stderr.write(`skipped without a reason: ${test}\n`);
  }

  getLastError() {
    if (this.unexplained.length === 0) return undefined;
    return new Error(`Tests are skipped without a reason:\n${this.unexplained.map((one) => `  ${one}\n`).join('')}`);
  }
};

function reasonOf({ ancestorTitles, title }) {
  return [...ancestorTitles, title].map((one) => / \(skipped: (.+)\)$/.exec(one)?.[1]).find(Boolean);
}
