/**
 * `cloud --directory DIR`: the simulated cloud as a process of its own. Ready when DIR/cloud.json
 * is there.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { writeFileSync, renameSync } from 'node:fs';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { parsePrograms } from '../image-programs';
import { startCloud } from './index';
import type { CloudInfo } from './types';

async function main(): Promise<void> {
  const options = await yargs(hideBin(process.argv))
    .scriptName('cloud')
    .option('directory', {
      type: 'string',
      demandOption: true,
      describe: 'state, certificates and instances live here',
    })
    .option('port', {
      type: 'number',
      describe: 'of the endpoint on 127.0.0.1; left out: a free one, or the one of before',
    })
    .option('region', { type: 'string', default: 'cn-hangzhou' })
    .option('ssh-port', { type: 'number', describe: 'of all instances; left out: a free one' })
    .option('machine-kind', { choices: ['ssh2', 'sshd'] as const, default: 'ssh2' as const })
    .option('share', {
      type: 'string',
      array: true,
      default: [],
      describe: 'a folder that every instance may write to, beside its own (may be given more than once)',
    })
    .option('program', {
      type: 'string',
      array: true,
      default: [],
      describe: 'docker=host or gitlab-runner=FILE: what own images bring along (may be given more than once)',
      coerce: parsePrograms,
    })
    .option('seed', { type: 'number', describe: 'for ids and fault probabilities of a new cloud' })
    .option('types', { type: 'number', describe: 'instance types that a new cloud sells; a real region has 775' })
    .option('delays', {
      type: 'string',
      default: '{}',
      describe: 'JSON, such as {"startingMs":1000}',
      coerce: parseDelays,
    })
    .option('furnished', {
      type: 'boolean',
      default: false,
      describe: "a new cloud has a RAM user's key and a NAT gateway, as after a team's first day",
    })
    .strict()
    .parse();
  const cloud = await startCloud({
    directory: options.directory,
    region: options.region,
    machineKind: options['machine-kind'],
    delays: options.delays,
    sharedFolders: options.share,
    programs: options.program,
    isFurnished: options.furnished,
    log: (line) => process.stderr.write(`cloud: ${line}\n`),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options['ssh-port'] === undefined ? {} : { sshPort: options['ssh-port'] }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.types === undefined ? {} : { types: options.types }),
  });
  const infoFile = path.join(options.directory, 'cloud.json');
  writeInfo(infoFile, cloud.info);
  process.stdout.write(`cloud: http(s)://${cloud.info.endpoint} (${cloud.info.region})\n`);
  await signalled();
  await rm(infoFile, { force: true });
  await cloud.close();
}

function parseDelays(text: string): Record<string, number> {
  const delays: unknown = JSON.parse(text);
  const valid =
    typeof delays === 'object' &&
    delays !== null &&
    Object.values(delays).every((ms) => typeof ms === 'number' && ms >= 0);
  if (!valid) throw new Error('--delays must be a JSON object of milliseconds, such as {"startingMs":1000}');
  return delays as Record<string, number>;
}

function writeInfo(file: string, info: CloudInfo): void {
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...info, pid: process.pid }, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
