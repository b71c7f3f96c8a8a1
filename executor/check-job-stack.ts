/**
 * Checks and translates the package's edited stacks/job.ts, and prints the result as JSON. A
 * process of its own, since it takes much memory.
 */
import { compileJobSource } from '../src/engine/job-compile';

compileJobSource(process.argv[2]!).then(
  (compiled) => process.stdout.write(JSON.stringify(compiled)),
  (error: Error) => {
    process.stderr.write(`${error.message.split('\n')[0]}\n`);
    process.exitCode = 1;
  },
);
