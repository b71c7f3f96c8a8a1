import { processSurroundings, runLine } from './cli/run';

const code = runLine(process.argv.slice(2), process.env, processSurroundings());
code.then(
  (exitCode) => process.exit(exitCode),
  (error: Error) => {
    process.stderr.write(`error: ${error.message}\n`);
    process.exit(1);
  },
);
