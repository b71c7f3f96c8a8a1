import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { programOn } from '../../sandbox/start';
import { testUnless } from '../support/skip';
import { readable, World } from '../support/world';

/**
 * The platform team edits stacks/job.ts of an installed package, and jobs follow: with TypeScript's
 * own check, through the built hooks. (How it is decided: test/src/engine/job-program.test.ts.)
 */
jest.setTimeout(300_000);
/** The real CLI runs a program by itself; the stand-in knows the Automation API alone. */
const LANGUAGE_HOST = programOn(process.env.PATH ?? '', 'pulumi-language-nodejs');
const ROOT = path.resolve(__dirname, '../..');

let world: World;
let folder: string;
const job = () => path.join(folder, 'stacks/job.ts');
beforeAll(async () => {
  world = await World.start();
  folder = mkdtempSync(path.join(tmpdir(), 'package-'));
  mkdirSync(path.join(folder, 'dist'));
  for (const name of ['stacks', 'package.json', 'dist/executor', 'dist/code', 'dist/cli', 'dist/stacks'])
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const hooks = () => {
  const hook = (name: string) => [path.join(folder, 'dist/executor', name)];
  return { config: hook('config.js'), prepare: hook('prepare'), run: hook('run.js'), cleanup: hook('cleanup.js') };
};

/** As the team would write it; @returns the number of the line */
function edit(from: string, to: string): number {
  const text = readFileSync(path.join(ROOT, 'stacks/job.ts'), 'utf8');
  const [before, after, ...more] = text.split(from);
  if (after === undefined || more.length > 0) throw new Error(`stacks/job.ts has ${from} not once`);
  writeFileSync(job(), before! + to + after);
  return before!.split('\n').length;
}

async function names(): Promise<readonly (string | undefined)[]> {
  const made = (await world.sandbox.control.calls()).filter(({ action }) => action === 'RunInstances');
  return made.map(({ params }) => params.InstanceName?.split('-job-')[0]);
}

/** `gitlab-spot check` of that package. */
function check(): Promise<{ exitCode: number; text: string }> {
  const program = path.join(folder, 'dist/cli/gitlab-spot.js');
  const env = world.environment({ GITLAB_SPOT_PROFILES_FILE: undefined }) as NodeJS.ProcessEnv;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, 'check'], { env }, (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, text: stdout + stderr }),
    );
  });
}

test('an edit counts from the next job on; one that does not fit is refused by its line, and jobs go on', async () => {
  const yaml = 'one:\n  script: "true"\ntwo:\n  script: "true"\n';
  edit('instanceName: stackName,', 'instanceName: `team-${stackName}`,');
  const { jobs } = await world.pipeline(yaml, { hooks: hooks() });
  expect(jobs.map(({ state }) => state)).toEqual(['success', 'success']);
  expect(jobs.map(({ log }) => readable(log)).join()).toContain(`${job()} was edited: its types are checked first`);
  expect(await names()).toEqual(['team', 'team']);
  expect(await check()).toMatchObject({
    exitCode: 0,
    text: expect.stringContaining(`${job()} is right, and counts from the next job on.`) as string,
  });

  const line = edit('systemDiskSize: args.disk.sizeGiB,', 'systemDiskSiz: args.disk.sizeGiB,');
  const refused = new RegExp(`stacks/job\\.ts:${line}:7: .*'systemDiskSiz' does not exist in type 'InstanceArgs'`);
  const next = await world.job('true', { hooks: hooks() });
  expect(next.state).toBe('success');
  expect(readable(next.log)).toMatch(refused);
  expect(readable(next.log)).toMatch(/jobs go by the one of 20\d\d-/);
  expect(await names()).toEqual(['team', 'team', 'team']);
  const found = await check();
  expect(found.exitCode).toBe(1);
  expect(found.text).toMatch(refused);
});

test('an edit that asks for what the hooks do not hand in is refused', async () => {
  edit('  readonly stackName: string;', '  readonly stackName: string;\n  readonly costCentre: string;');
  const { exitCode, text } = await check();
  expect(exitCode).toBe(1);
  expect(text).toMatch(/stacks\/job\.ts: jobStack does not fit what the hooks call: .*costCentre/s);
});

test('an edit may import files of its own from stacks/, which count like it; one that throws is refused', async () => {
  const write = (name: string, text: string) => writeFileSync(path.join(folder, 'stacks', name), text);
  mkdirSync(path.join(folder, 'stacks/team'));
  write('team/index.ts', "export { default as team } from '../team.json';\n");
  edit('instanceName: stackName,', 'instanceName: `${team.name}-${stackName}`,');
  writeFileSync(job(), `import { team } from './team/index.js';\n${readFileSync(job(), 'utf8')}`);
  for (const name of ['blue', 'green']) {
    write('team.json', `{ "name": "${name}" }\n`);
    expect((await world.job('true', { hooks: hooks() })).state).toBe('success');
    expect((await names()).at(-1)).toBe(name);
  }

  write('team.json', '{ "nam": "red" }\n');
  const misspelt = await check();
  expect(misspelt.exitCode).toBe(1);
  expect(misspelt.text).toMatch(/jobs go by the one of 20\d\d-.*'name' does not exist/s);
  write(
    'team/index.ts',
    "import { readFileSync } from 'node:fs';\nexport const team = { name: readFileSync('/no/such/file', 'utf8') };\n",
  );
  const thrown = await check();
  expect(thrown.exitCode).toBe(1);
  expect(thrown.text).toMatch(/jobs go by the one of 20\d\d-.*stacks\/job\.ts can't be loaded \(ENOENT/s);
});

testUnless(
  LANGUAGE_HOST ? undefined : 'the real pulumi is not on PATH',
  'stacks/job.example.yaml works as it stands',
  async () => {
    cpSync(path.join(ROOT, 'stacks/job.ts'), job());
    cpSync(path.join(ROOT, 'Pulumi.yaml'), path.join(folder, 'Pulumi.yaml'));
    cpSync(path.join(ROOT, 'stacks/job.example.yaml'), path.join(folder, 'Pulumi.job-try.yaml'));
    const env = { ...world.environment(), PATH: process.env.PATH, PULUMI_BACKEND_URL: `file://${folder}` };
    const pulumi = (...args: string[]) =>
      promisify(execFile)(path.join(path.dirname(LANGUAGE_HOST!), 'pulumi'), [...args, '--non-interactive'], {
        cwd: folder,
        env,
      });
    await pulumi('stack', 'init', 'job-try');
    const { stdout } = await pulumi('preview', '--stack', 'job-try');
    expect(stdout).toMatch(/\+ 5 to create/);
    expect(stdout).toMatch(/ecs:Instance job create/);
  },
);
