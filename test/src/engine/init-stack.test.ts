import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PulumiCli, type CliCall, type CliResult } from '../../../src/engine/cli';
import { initStack } from '../../../src/engine/init-stack';
import { readSettings } from '../../../src/settings/settings';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'init-stack-'));
  for (const folder of ['work', 'state', 'backend/.pulumi/stacks/gitlab-spot'])
    mkdirSync(path.join(root, folder), { recursive: true, mode: 0o700 });
  for (const [file, text] of [
    ['passphrase', 'sesame'],
    ['backend/.pulumi/meta.yaml', 'version: 1\n'],
  ] as const)
    writeFileSync(path.join(root, file), text, { mode: 0o600 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const stateFile = (name: string): string => path.join(root, `backend/.pulumi/stacks/gitlab-spot/${name}.json`);
const settingsFile = (name: string): string => path.join(root, `work/Pulumi.${name}.yaml`);

/** As `pulumi stack init` of 3.260 does it, seen with a passphrase. */
class Cli extends PulumiCli {
  readonly made: string[] = [];
  /** What it makes of the name. */
  stack = (name: string): string => `organization/gitlab-spot/${name}`;

  override find(): string {
    return process.execPath;
  }

  override async run({ args }: CliCall): Promise<CliResult> {
    const name = args[2]!;
    this.made.push(name);
    const salt = `v1:${this.made.length}:v1:x`;
    const manifest = { time: '2026-11-01T00:00:00Z', magic: 'abc', version: 'v3.260.0' };
    const latest = { manifest, secrets_providers: { type: 'passphrase', state: { salt } }, metadata: {} };
    writeFileSync(stateFile(name), JSON.stringify({ version: 3, checkpoint: { stack: this.stack(name), latest } }));
    writeFileSync(settingsFile(name), `encryptionsalt: ${salt}\n`);
    return { exitCode: 0, stdout: '', stderr: '' };
  }
}

async function init(name: string, cli: Cli, variables: Readonly<Record<string, string>> = {}): Promise<void> {
  const settings = readSettings(
    {
      GITLAB_SPOT_ENV_FILE: '',
      GITLAB_SPOT_STATE_DIR: path.join(root, 'state'),
      PULUMI_BACKEND_URL: `file://${path.join(root, 'backend')}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: path.join(root, 'passphrase'),
      ...variables,
    },
    { cloud: false },
  );
  const { signal } = new AbortController();
  await initStack(name, { cli, settings, directory: path.join(root, 'work') }, { signal });
}

test('the second stack is made as the CLI made the first, with its own name and time', async () => {
  const cli = new Cli({});
  const beforeMs = Date.now();
  await init('job-1', cli);
  await init('job-2', cli);
  expect(cli.made).toEqual(['job-1']);
  const [first, second] = ['job-1', 'job-2'].map((name) => JSON.parse(readFileSync(stateFile(name), 'utf8')) as Made);
  const { time } = second!.checkpoint.latest.manifest;
  expect(Date.parse(time)).toBeGreaterThanOrEqual(beforeMs);
  first!.checkpoint.stack = 'organization/gitlab-spot/job-2';
  first!.checkpoint.latest.manifest.time = time;
  expect(second).toEqual(first);
  expect(readFileSync(settingsFile('job-2'), 'utf8')).toBe('encryptionsalt: v1:1:v1:x\n');
  expect(statSync(stateFile('job-2')).mode & 0o777).toBe(0o600);
  expect(existsSync(`${stateFile('job-2')}.new`)).toBe(false);
});

interface Made {
  checkpoint: { stack: string; latest: { manifest: { time: string } } };
}

test('a stack that is there stays as it is, with its settings', async () => {
  const cli = new Cli({});
  await init('job-1', cli);
  writeFileSync(stateFile('job-2'), 'of an earlier call');
  await init('job-2', cli);
  expect(readFileSync(stateFile('job-2'), 'utf8')).toBe('of an earlier call');
  expect(existsSync(settingsFile('job-2'))).toBe(false);
});

test('what a process that was killed has left half done is in nobody’s way', async () => {
  const cli = new Cli({});
  await init('job-1', cli);
  writeFileSync(`${stateFile('job-2')}.new`, '{"version"');
  await init('job-2', cli);
  expect(cli.made).toEqual(['job-1']);
  expect(JSON.parse(readFileSync(stateFile('job-2'), 'utf8'))).toMatchObject({ version: 3 });
  expect(existsSync(`${stateFile('job-2')}.new`)).toBe(false);
});

test.each<[string, () => Cli | void]>([
  ['the passphrase is another one', () => writeFileSync(path.join(root, 'passphrase'), 'another')],
  ['the backend is of another kind', () => writeFileSync(path.join(root, 'backend/.pulumi/meta.yaml'), 'version: 2\n')],
  ['the CLI has other options', () => new Cli({ PULUMI_DIY_BACKEND_GZIP: 'true' })],
  ['what was remembered is damaged', () => writeFileSync(path.join(root, 'state/pulumi-stack.json'), '{')],
  ['what was remembered is no stack', () => writeFileSync(path.join(root, 'state/pulumi-stack.json'), '{"key":"1"}')],
  [
    'the folder of stacks is gone',
    () => {
      const folder = path.join(root, 'backend/.pulumi/stacks/gitlab-spot');
      rmSync(folder, { recursive: true });
      const cli = new Cli({});
      const run = cli.run.bind(cli);
      cli.run = (call) => (mkdirSync(folder), run(call));
      return cli;
    },
  ],
])('the CLI makes it where %s', async (_, change) => {
  const first = new Cli({});
  await init('job-1', first);
  const second = change() ?? first;
  await init('job-2', second);
  expect(second.made.at(-1)).toBe('job-2');
  // And goes by that from then on.
  const made = second.made.length;
  await init('job-3', second);
  expect(second.made).toHaveLength(made);
});

test.each<[string, Readonly<Record<string, string>>]>([
  ['the passphrase is in no file', { PULUMI_CONFIG_PASSPHRASE_FILE: '', PULUMI_CONFIG_PASSPHRASE: 'sesame' }],
  ['the backend is a bucket', { PULUMI_BACKEND_URL: 's3://state?region=cn-hangzhou' }],
])('the CLI makes each where %s', async (_, variables) => {
  const cli = new Cli({});
  for (const name of ['job-1', 'job-2']) await init(name, cli, variables);
  expect(cli.made).toEqual(['job-1', 'job-2']);
});

test('the CLI makes each where it names stacks in another way', async () => {
  const cli = new Cli({});
  cli.stack = (name) => name;
  for (const name of ['job-1', 'job-2']) await init(name, cli);
  expect(cli.made).toEqual(['job-1', 'job-2']);
});
