import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EditWatch } from '../../../src/board/edits';
import { jobStack } from '../../../src/doctor/upkeep';
import {
  CheckInterrupted,
  jobProgram,
  knownJobProgram,
  type Check,
  type JobProgramOptions,
} from '../../../src/engine/job-program';
import type { JobStackArgs } from '../../../src/engine/types';

const ROOT = path.resolve(__dirname, '../../..');
const SHIPPED = 'export const jobStack = () => ({ by: "shipped" });\n';
const MISSPELT = "stacks/job.ts:1:14: 'jobStak' does not exist";

describe('an edit of stacks/job.ts', () => {
  let folder: string;
  let root: string;
  let stateDir: string;
  let checks: string[];
  let told: string[];
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'job-program-'));
    [root, stateDir] = [path.join(folder, 'package'), path.join(folder, 'state')];
    for (const name of ['package/stacks', 'package/dist/stacks', 'state'])
      mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(root, 'package.json'), '{}');
    writeFileSync(path.join(root, 'dist/stacks/job.ts'), SHIPPED);
    edit(SHIPPED);
    [checks, told] = [[], []];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const edit = (text: string, name = 'job.ts') => writeFileSync(path.join(root, 'stacks', name), text);
  const edited = (by: string) => edit(`export const jobStack = () => ({ by: "${by}" });\n`);
  /** In place of the compiler: takes a file's words for what it gives back. */
  const check: Check = ({ file }) => {
    const text = readFileSync(file, 'utf8');
    checks.push(text);
    const by = /by: "(.*)"/.exec(text)?.[1];
    return Promise.resolve(
      by === undefined
        ? { problems: [MISSPELT], modules: {} }
        : { problems: [], modules: { job: `exports.jobStack = () => ({ by: "${by}" });` } },
    );
  };
  const program = (more: Partial<JobProgramOptions> = {}) =>
    jobProgram({ stateDir, root, log: (line) => told.push(line), check, ...more });
  const whatJobsGet = async (more: Partial<JobProgramOptions> = {}) => {
    const { load, problems, goesBy } = await program(more);
    return { by: load ? (load()({} as JobStackArgs) as { by: string }).by : 'the hooks’ own', problems, goesBy };
  };

  test('there is none: hooks go by their own, and nothing is checked', async () => {
    expect(await whatJobsGet()).toMatchObject({ by: 'the hooks’ own', problems: [] });
    expect({ checks, told }).toEqual({ checks: [], told: [] });
    expect(jobStack(knownJobProgram(stateDir, root))).toMatchObject({ state: 'good' });
  });

  test('counts from the next job on, and is checked once', async () => {
    edited('team');
    expect(jobStack(knownJobProgram(stateDir, root))).toMatchObject({
      state: 'warning',
      remedy: expect.any(String) as string,
    });
    expect(await whatJobsGet()).toMatchObject({ by: 'team', problems: [] });
    expect(await whatJobsGet()).toMatchObject({ by: 'team', problems: [] });
    expect(checks).toHaveLength(1);
    expect(told).toEqual([`${path.join(root, 'stacks/job.ts')} was edited: its types are checked first`]);
    expect(jobStack(knownJobProgram(stateDir, root))).toMatchObject({
      state: 'good',
      detail: 'stacks/job.ts was edited, checked, and counts',
    });
  });

  test('that does not fit is refused by name, and jobs go on with the last one that did', async () => {
    edited('team');
    await program();
    edit('oops');
    const now = () => Date.parse('2026-11-28T10:00:00Z');
    expect(await whatJobsGet({ now })).toMatchObject({ by: 'team', problems: [MISSPELT] });
    expect(await whatJobsGet({ now })).toMatchObject({ by: 'team', problems: [MISSPELT] });
    expect(checks).toHaveLength(2);
    expect(jobStack(knownJobProgram(stateDir, root))).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/^stacks\/job\.ts:1:14: .*: jobs go by the one of /) as string,
      remedy: expect.stringContaining('gitlab-spot check') as string,
    });
    edited('team, mended');
    expect(await whatJobsGet()).toMatchObject({ by: 'team, mended', problems: [] });
  });

  test('that was the first one, and does not fit: jobs go by the installed one', async () => {
    edit('oops');
    expect(await whatJobsGet()).toEqual({ by: 'the hooks’ own', problems: [MISSPELT], goesBy: 'the installed one' });
  });

  test('taken back and made again wrongly: the last good one is the installed one', async () => {
    edited('team');
    await program();
    edit(SHIPPED);
    await program();
    edit('oops');
    expect(await whatJobsGet()).toMatchObject({ by: 'the hooks’ own', problems: [MISSPELT] });
  });

  test('is checked anew by an update, whose hooks may call it otherwise; what fitted the old ones is not used', async () => {
    edited('team');
    await program();
    writeFileSync(path.join(root, 'dist/stacks/job.ts'), `${SHIPPED}// updated\n`);
    expect(await whatJobsGet()).toMatchObject({ by: 'team' });
    expect(checks).toHaveLength(2);
    writeFileSync(path.join(root, 'package.json'), '{ "dependencies": {} }');
    edit('oops');
    expect(await whatJobsGet()).toMatchObject({ by: 'the hooks’ own', problems: [MISSPELT] });
  });

  test('is checked by one of all jobs that come at once; the others wait for what it finds', async () => {
    edited('team');
    const all = await Promise.all([whatJobsGet(), whatJobsGet(), whatJobsGet()]);
    expect(all.map(({ by }) => by)).toEqual(['team', 'team', 'team']);
    expect(checks).toHaveLength(1);
    expect(readdirSync(path.join(stateDir, 'slots/job-stack'))).toEqual([]);
  });

  describe('of a file that it imports', () => {
    const IMPORTS = 'import { more } from \'./lib/more\';\nexport const jobStack = () => ({ by: "team" });\n';
    const files = ['lib/more.ts', 'tags.json', 'tsconfig.json'] as const;
    beforeEach(() => {
      for (const stacks of ['stacks', 'dist/stacks']) {
        mkdirSync(path.join(root, stacks, 'lib'));
        writeFileSync(path.join(root, stacks, 'lib/more.ts'), "import tags from '../tags.json';\n");
        writeFileSync(path.join(root, stacks, 'tags.json'), '{}');
        writeFileSync(path.join(root, stacks, 'tsconfig.json'), '{}');
        writeFileSync(path.join(root, stacks, 'job.ts'), IMPORTS);
      }
    });

    test.each(files.slice(0, 2))('counts where the hooks were built with that job.ts: %s', async (name) => {
      expect(await whatJobsGet()).toMatchObject({ by: 'the hooks’ own' });
      edit('{ "team": 1 }', name);
      expect(await whatJobsGet()).toMatchObject({ by: 'team' });
      expect(told).toEqual([`${path.join(root, 'stacks', name)} was edited: its types are checked first`]);
    });

    test.each(files)('or of %s counts after an edit of job.ts', async (name) => {
      edit(`${IMPORTS}// edited\n`);
      await program();
      edit('{ "team": 1 }', name);
      await program();
      expect(checks).toHaveLength(2);
    });

    test.each(files.slice(0, 2))('is seen by the board: %s', async (name) => {
      const profilesFile = path.join(ROOT, 'stacks/instances.yaml');
      const board = new EditWatch({ stateDir, profilesFile }, root);
      expect(board.look()).toEqual([]);
      edit('oops', name);
      await program({ check: () => Promise.resolve({ problems: [MISSPELT], modules: {} }) });
      expect(board.look()).toEqual([MISSPELT]);
      edit(readFileSync(path.join(root, 'dist/stacks', name), 'utf8'), name);
      expect(board.look()).toEqual([]);
    });

    test('is no edit of it where it does not import it', async () => {
      edit('export const more = 1;\n', 'foundation.ts');
      expect(await whatJobsGet()).toMatchObject({ by: 'the hooks’ own' });
      expect(checks).toEqual([]);
    });
  });

  test('while it is checked: what was read is checked again', async () => {
    edited('half');
    const during: Check = async (source, signal) => {
      const found = await check(source, signal);
      if (checks.length === 1) edited('whole');
      return found;
    };
    expect(await whatJobsGet({ check: during })).toMatchObject({ by: 'whole' });
    expect(checks).toHaveLength(2);
  });

  test('while it is checked, back to the installed one: hooks go by their own', async () => {
    edited('team');
    const during: Check = async (source, signal) => {
      const found = await check(source, signal);
      edit(SHIPPED);
      return found;
    };
    expect(await whatJobsGet({ check: during })).toMatchObject({ by: 'the hooks’ own', problems: [] });
  });

  test('that can not be checked now is tried again after ten minutes, not at each job', async () => {
    edited('team');
    let nowMs = Date.parse('2026-11-28T10:00:00Z');
    const now = () => nowMs;
    const failing: Check = () => Promise.reject(new Error('no answer within 60 s'));
    const refused = {
      by: 'the hooks’ own',
      problems: ['stacks/job.ts: it could not be checked (no answer within 60 s)'],
    };
    expect(await whatJobsGet({ check: failing, now })).toMatchObject(refused);
    nowMs += 9 * 60_000;
    expect(await whatJobsGet({ now })).toMatchObject(refused);
    nowMs += 2 * 60_000;
    expect(await whatJobsGet({ now })).toMatchObject({ by: 'team' });
  });

  test('whose check was ended together with its job is checked by the next one', async () => {
    edited('team');
    const ended: Check = () => Promise.reject(new CheckInterrupted('it was ended by SIGTERM'));
    expect(await whatJobsGet({ check: ended })).toMatchObject({ by: 'the hooks’ own' });
    expect(await whatJobsGet()).toMatchObject({ by: 'team' });
  });

  test('by a job that is cancelled meanwhile ends as that, and leaves nothing', async () => {
    edited('team');
    const controller = new AbortController();
    const hanging: Check = (_source, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('ended')));
        controller.abort(new Error('cancelled'));
      });
    await expect(program({ check: hanging, signal: controller.signal })).rejects.toThrow('cancelled');
    expect(readdirSync(path.join(stateDir, 'slots/job-stack'))).toEqual([]);
    expect(await whatJobsGet()).toMatchObject({ by: 'team' });
  });

  test.each(['', '{"version":1,"key":"', '{"version":2}'])('a verdict that is %j is none', async (text) => {
    edited('team');
    await program();
    for (const name of ['checked', 'good']) writeFileSync(path.join(stateDir, 'job-stack', `${name}.json`), text);
    expect(await whatJobsGet()).toMatchObject({ by: 'team' });
    expect(checks).toHaveLength(2);
  });

  test('a kill between the two files that are written has it checked again', async () => {
    edited('team');
    await program();
    rmSync(path.join(stateDir, 'job-stack/checked.json'));
    expect(await whatJobsGet()).toMatchObject({ by: 'team' });
    expect(checks).toHaveLength(2);
  });

  test('is checked by another user, who keeps nothing; and nothing is written into the package', async () => {
    edited('team');
    const all = () => readdirSync(root, { recursive: true }).map(String).sort();
    const before = all();
    expect(await whatJobsGet({ stateDir: undefined })).toMatchObject({ by: 'team' });
    expect(readdirSync(stateDir)).toEqual([]);
    await program();
    expect(all()).toEqual(before);
  });

  test('may import its own files and the package’s modules, and is told what it throws', async () => {
    edited('team');
    const modules = {
      job: 'const { name } = require("./lib"); exports.jobStack = () => ({ by: name });',
      'lib/index': 'exports.name = `${require("../other.js").other} and ${typeof require("node:path").join}`;',
      other: 'exports.other = require("./tags.json").name;',
      'tags.json': 'module.exports = { "name": "other" }',
    };
    edit('anything');
    expect(await whatJobsGet({ check: () => Promise.resolve({ problems: [], modules }) })).toMatchObject({
      by: 'other and function',
    });
    edit('anything else');
    const thrown = { job: 'throw new Error("no such thing");' };
    await expect(whatJobsGet({ check: () => Promise.resolve({ problems: [], modules: thrown }) })).rejects.toThrow(
      "stacks/job.ts can't be loaded (no such thing)",
    );
  });
});
