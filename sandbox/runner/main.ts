/**
 * `gitlab-runner run`, as far as a sandbox needs it: the first runner of config.toml, until it is
 * told to end.
 */
import { parseArgs } from 'node:util';
import { readRunnerConfig } from './config-file';
import { startRemoteRunner } from './remote-runner';

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { config: { type: 'string', short: 'c' }, 'working-directory': { type: 'string', short: 'd' } },
  });
  const file = values.config ?? (process.env['CONFIG_FILE'] || '/etc/gitlab-runner/config.toml');
  const config = readRunnerConfig(file);
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  if (values['working-directory'] !== undefined) process.chdir(values['working-directory']);
  const runner = startRemoteRunner({ config, environment: process.env, say });
  say(`runner ${config.name} asks ${config.url} for jobs, ${config.concurrency} at the same time (${file})`);
  await new Promise<void>((resolve) => {
    process.once('SIGQUIT', resolve);
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        runner.abort();
        resolve();
      });
  });
  await runner.close();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`gitlab-runner: ${(error as Error).message}\n`);
    process.exit(1);
  },
);
