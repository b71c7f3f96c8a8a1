import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { jobPayload, runFacts, scriptFacts } from '../../support/runner-facts';
import type { StageName } from '../../../sandbox/runner/driver/stages';
import type { Directories } from '../../../sandbox/runner/driver/variables';
import type { ShellName } from '../../../sandbox/runner/driver/shell';
import type { JobPayload } from '../../../sandbox/runner/payload';
import { standInScript } from '../../support/runner-scripts';
import { afterScript, payload, variable } from './payloads';
import { expectedExports, exportedNames, helperCalls } from './runner-words';

describe('what a script does', () => {
  let root: string;
  let directories: Directories;

  beforeEach(() => {
    root = mkdtempSync(path.join(os.tmpdir(), 'scripts-'));
    directories = { buildsDir: `${root}/builds`, cacheDir: `${root}/cache`, projectDir: `${root}/builds/root/demo` };
    mkdirSync(directories.projectDir, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function run(job: JobPayload, stage: StageName = 'build_script', shell: ShellName = 'bash') {
    const file = path.join(root, 'script');
    writeFileSync(file, standInScript(stage, job, directories, { shell }) ?? '', { mode: 0o700 });
    const { status, stdout, stderr } = spawnSync(file, {
      input: 'from standard input\n',
      env: { PATH: process.env['PATH'] },
    });
    return { status, output: stdout.toString(), errors: stderr.toString() };
  }

  describe.each<ShellName>(['bash', 'sh'])('with %s', (shell) => {
    test.each([
      ['a failing command ends it with its own code', ['exit 42', 'echo never'], 42],
      ['a command that fails ends it', ['false', 'echo never'], 1],
      ['a command that is not there ends it with 127', ['no-such-command-here'], 127],
      ['a failure that is handled does not', ['false || true'], 0],
      ['a syntax error ends it after what came before', ['echo before', 'if'], 2],
      ['exec replaces it', ["exec sh -c 'exit 7'"], 7],
    ])('%s', (_title, script, code) => {
      const result = run(payload(script), 'build_script', shell);
      expect(shell === 'bash' && code === 2 ? [1, 2] : [code]).toContain(result.status);
      expect(result.output).not.toContain('\nnever\n');
    });

    test('FF_ENABLE_BASH_EXIT_CODE_CHECK ends it where the script has switched errexit off', () => {
      const script = ['set +e', '(exit 42)', 'echo never'];
      const on = payload(script, { variables: [variable('FF_ENABLE_BASH_EXIT_CODE_CHECK', 'true')] });
      expect(run(on, 'build_script', shell).status).toBe(42);
      expect(run(payload(script), 'build_script', shell)).toMatchObject({
        status: 0,
        output: expect.stringContaining('never') as string,
      });
    });

    test('CI_DEBUG_TRACE shows what the shell runs', () => {
      const traced = payload(['true "$WORD"'], {
        variables: [variable('CI_DEBUG_TRACE', 'true'), variable('WORD', 'seen')],
      });
      expect(run(traced, 'build_script', shell).errors).toMatch(/^\++ true '?seen'?$/m);
      expect(run(payload(['true "$WORD"']), 'build_script', shell).errors).toBe('');
    });

    test('shows each command before it runs, the first line of a long one', () => {
      const { output } = run(payload(["echo 'it''s'", 'echo one\necho two']), 'build_script', shell);
      expect(output).toBe(
        "\x1b[32;1m$ echo 'it''s'\x1b[0;m\nits\n\x1b[32;1m$ echo one # collapsed multi-line command\x1b[0;m\none\ntwo\n",
      );
    });

    test('values reach the script as they are, references replaced', () => {
      const hard = 'two\nlines "quoted" \'single\' `tick` \\ back 中文';
      const job = payload(['printf "%s" "$HARD"', 'printf "%s" "$REFERS" "$RAW" "$DOLLAR"'], {
        variables: [
          variable('HARD', hard),
          variable('A', 'x'),
          variable('REFERS', '$A${A}$NONE.'),
          variable('RAW', '$A', { raw: true }),
          variable('DOLLAR', '$$A'),
        ],
      });
      const { output } = run(job, 'build_script', shell);
      expect(output).toContain(hard);
      expect(output).toContain('xx.$A$A');
    });

    test('standard input is empty', () => {
      expect(run(payload(['cat', 'echo "[$(cat)]"']), 'build_script', shell).output).toContain('\n[]\n');
    });

    test('a file variable is a file, and gone after cleanup', () => {
      const job = payload(['cat "$SECRET"'], { variables: [variable('SECRET', "it's\nsecret\n", { file: true })] });
      expect(run(job, 'build_script', shell).output).toContain("it's\nsecret\n");
      const file = `${directories.projectDir}.tmp/SECRET`;
      expect(existsSync(file)).toBe(true);
      run(job, 'cleanup_file_variables', shell);
      expect(existsSync(file)).toBe(false);
    });

    test('what one stage writes to GITLAB_ENV the next one has', () => {
      const job = payload(['echo "FROM_SCRIPT=a b" >> "$GITLAB_ENV"'], {
        steps: [...payload(['echo "FROM_SCRIPT=a b" >> "$GITLAB_ENV"']).steps, afterScript(['echo "<$FROM_SCRIPT>"'])],
      });
      run(job, 'build_script', shell);
      expect(run(job, 'after_script', shell).output).toContain('<a b>\n');
    });
  });

  test('a failing end of a pipe fails the job, where the shell can tell', () => {
    expect(run(payload(['true | false | true'])).status).toBe(1);
  });

  test('without gitlab-runner on the machine artifacts are passed over with a warning', () => {
    const job = payload(['x'], {
      artifacts: [
        {
          name: 'out',
          untracked: false,
          paths: ['out/'],
          exclude: null,
          when: 'always',
          expire_in: null,
          artifact_type: 'archive',
          artifact_format: 'zip',
        },
      ],
    });
    const file = path.join(root, 'script');
    writeFileSync(file, standInScript('upload_artifacts_on_success', job, directories, { shell: 'sh' }) ?? '', {
      mode: 0o700,
    });
    const result = spawnSync('/bin/sh', [file], { env: { PATH: '/usr/bin:/bin' } });
    expect(result.stdout.toString()).toContain('Missing gitlab-runner. Uploading artifacts is disabled.');
    expect(result.status).toBe(0);
  });

  describe('get_sources', () => {
    let repository: string;
    const git = (cwd: string, ...args: string[]) =>
      spawnSync(
        'git',
        ['-c', 'user.name=T', '-c', 'user.email=t@example.com', '-c', 'protocol.file.allow=always', ...args],
        { cwd },
      )
        .stdout.toString()
        .trim();

    beforeEach(() => {
      repository = path.join(root, 'origin');
      mkdirSync(repository);
      git(repository, 'init', '-q', '-b', 'main');
      for (const text of ['one', 'two', 'three']) {
        writeFileSync(path.join(repository, 'file'), text);
        git(repository, 'add', '.');
        git(repository, 'commit', '-qm', text);
      }
    });

    const job = (...variables: [string, string][]) =>
      payload(['x'], {
        variables: variables.map(([key, value]) => variable(key, value)),
        git_info: {
          ...payload([]).git_info,
          repo_url: `file://${repository}`,
          sha: git(repository, 'rev-parse', 'HEAD'),
          refspecs: ['+refs/heads/main:refs/remotes/origin/main'],
        },
      });
    const file = () => readFileSync(path.join(directories.projectDir, 'file'), 'utf8');
    const commits = () => Number(git(directories.projectDir, 'rev-list', '--count', 'HEAD'));

    test('fetches into a fresh folder, as deep as asked', () => {
      expect(run(job(['GIT_STRATEGY', 'fetch'], ['GIT_DEPTH', '2']), 'get_sources').status).toBe(0);
      expect([file(), commits()]).toEqual(['three', 2]);
    });

    test('GIT_DEPTH 0 fetches all', () => {
      run(job(['GIT_STRATEGY', 'fetch'], ['GIT_DEPTH', '0']), 'get_sources');
      expect(commits()).toBe(3);
    });

    test('fetch keeps the folder and cleans it, clone begins anew', () => {
      run(job(['GIT_STRATEGY', 'fetch']), 'get_sources');
      writeFileSync(path.join(directories.projectDir, 'rest'), '');
      writeFileSync(path.join(directories.projectDir, 'file'), 'changed');
      expect(run(job(['GIT_STRATEGY', 'fetch'], ['GIT_CLEAN_FLAGS', 'none']), 'get_sources').status).toBe(0);
      expect([file(), existsSync(path.join(directories.projectDir, 'rest'))]).toEqual(['three', true]);
      run(job(['GIT_STRATEGY', 'fetch']), 'get_sources');
      expect(existsSync(path.join(directories.projectDir, 'rest'))).toBe(false);
      expect(run(job(['GIT_STRATEGY', 'clone']), 'get_sources').output).toContain('Created fresh repository.');
    });

    test('none makes the folder only; empty empties it', () => {
      writeFileSync(path.join(directories.projectDir, 'kept'), '');
      run(job(['GIT_STRATEGY', 'none']), 'get_sources');
      expect(existsSync(path.join(directories.projectDir, 'kept'))).toBe(true);
      run(job(['GIT_STRATEGY', 'empty']), 'get_sources');
      expect(existsSync(path.join(directories.projectDir, 'kept'))).toBe(false);
    });

    test('hooks:pre_get_sources_script runs before anything is fetched', () => {
      const hooked = {
        ...job(['GIT_STRATEGY', 'fetch']),
        hooks: [{ name: 'pre_get_sources_script', script: ['echo first'] }],
      };
      expect(run(hooked, 'get_sources').output).toMatch(/\nfirst\n[^]*Created fresh repository/);
    });

    test('clear_worktree leaves nothing but the repository', () => {
      run(job(['GIT_STRATEGY', 'fetch']), 'get_sources');
      expect(run(job(), 'clear_worktree').status).toBe(0);
      expect(existsSync(path.join(directories.projectDir, 'file'))).toBe(false);
    });
  });
});

describe('beside the scripts of gitlab-runner 19.3.0', () => {
  const DIRECTORIES: Directories = { buildsDir: '/builds', cacheDir: '/cache', projectDir: '/builds/root/demo' };
  const STAGES: StageName[] = [
    'get_sources',
    'restore_cache',
    'download_artifacts',
    'build_script',
    'after_script',
    'archive_cache',
    'upload_artifacts_on_success',
    'cleanup_file_variables',
  ];

  test.each(['clone-build', 'exit-42-after-script', 'image-services-cache-artifacts'])(
    '%s: the same variables are exported in the same order, and gitlab-runner is called with the same flags',
    (name) => {
      const job = jobPayload(name);
      const called = runFacts('19.3.0', name).hooks.map(({ hook }) => hook);
      for (const stage of STAGES) {
        const script = standInScript(stage, job, DIRECTORIES);
        expect([stage, script !== undefined]).toEqual([stage, called.includes(stage)]);
        if (script === undefined) continue;
        expect({ stage, names: exportedNames(script) }).toEqual({ stage, names: expectedExports(stage, job) });
        expect({ stage, calls: helperCalls(script) }).toEqual({ stage, calls: scriptFacts.helperCalls[stage] ?? [] });
      }
    },
  );
});
