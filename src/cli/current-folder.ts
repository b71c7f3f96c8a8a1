/** Imported first: yargs asks for the current folder as it loads, and would fail with a stack trace. */
try {
  process.cwd();
} catch {
  process.stderr.write('gitlab-spot: The current folder was removed. Change to another one.\n');
  process.exit(1);
}
