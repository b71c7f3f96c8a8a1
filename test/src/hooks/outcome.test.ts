import { PlacementRefused } from '../../../src/engine/errors';
import { ConfigurationError, HostError } from '../../../src/errors';
import { createJobLog } from '../../../src/gitlab/job-log';
import { outcomeOf } from '../../../src/hooks/outcome';
import { JobChoiceError } from '../../../src/settings/errors';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';

const codes = { buildFailure: 65, systemFailure: 70 };

describe('the outcome of a failure', () => {
  test.each([
    [
      'the job’s own choice',
      new JobChoiceError('There is no profile "x"', { remedy: 'Set SPOT_PROFILE.' }),
      65,
      'There is no profile "x". Set SPOT_PROFILE.',
    ],
    ['the host’s settings', new ConfigurationError('X is missing'), 70, 'X is missing.'],
    ['the host', new HostError('The disk is full!'), 70, 'The disk is full!'],
    [
      'the cloud',
      new PlacementRefused('OperationDenied.NoStock', 'RunInstances', 'sold out'),
      70,
      'Alibaba Cloud refused RunInstances: OperationDenied.NoStock, sold out. Try again later, or give the profile more types in instances.yaml.',
    ],
  ])('of %s', (_whose, error, exitCode, sentence) => {
    expect(outcomeOf(error, codes)).toMatchObject({ exitCode, message: sentence });
  });

  test('of a disk that is full is the host’s, and no defect of ours', () => {
    const error = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write', path: '/var/lib/x' });
    expect(outcomeOf(error, codes)).toMatchObject({
      exitCode: 70,
      message:
        "The runner host's disk is full: cannot write /var/lib/x. Check owner, free space and limits there; `gitlab-spot doctor` looks at them.",
    });
  });

  test('of a file where a folder should be made is the host’s too', () => {
    const error = Object.assign(new Error('EEXIST'), { code: 'EEXIST', syscall: 'mkdir', path: '/var/lib/x' });
    expect(outcomeOf(error, codes).message).toMatch(
      /^The runner host refuses what the executor needs: mkdir \/var\/lib\/x failed with EEXIST\. Check owner/,
    );
  });

  test('puts one sentence after another: every remedy in the source begins and ends as one', () => {
    const remedies = ['src', 'executor'].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .flatMap((name) => {
          const source = readFileSync(path.join(folder, name), 'utf8');
          return [...source.matchAll(/\bremedy(?::| =)\s*(['"`])(.+?)(?<!\\)\1(?! \+)/g)].map(([, , text]) => text!);
        }),
    );
    expect(remedies.length).toBeGreaterThan(100);
    expect(remedies.filter((text) => !/^(?:[A-Z]|\\?`|\$\{).*[.!?]$/.test(text))).toEqual([]);
  });

  test('of an endless message keeps its remedy', () => {
    const { message } = outcomeOf(new HostError('x'.repeat(10_000), { remedy: 'Do this.' }), codes);
    expect(message).toMatch(/^x{2000}… Do this\.$/);
  });

  test('of a defect is a system failure in one line, without a stack trace', () => {
    const { exitCode, message, details } = outcomeOf(new TypeError('x is undefined\n  at y'), codes);
    expect(exitCode).toBe(70);
    expect(message).toMatch(/^Something went wrong inside the executor: x is undefined\. /);
    expect(message).not.toContain('\n');
    expect(details).toContain('TypeError');
  });
});

describe('the job’s log', () => {
  const written = (write: (log: ReturnType<typeof createJobLog>) => void): string => {
    const out = new PassThrough();
    write(createJobLog(out, () => 1_795_525_263_000));
    return String(out.read());
  };

  test('folds a section as GitLab reads it', () => {
    const text = written((log) => {
      log.open({ name: 'gitlab_spot_prepare', title: 'Preparing', collapsed: true });
      log.line('one');
      log.close();
      log.close();
    });
    expect(text).toBe(
      'section_start:1795525263:gitlab_spot_prepare[collapsed=true]\r\u001b[0KPreparing\none\nsection_end:1795525263:gitlab_spot_prepare\r\u001b[0K\n',
    );
  });

  test('lets nothing from outside move the cursor or forge a section', () => {
    expect(written((log) => log.line('a\rsection_end:1:x\u001b[2Kb\u0007'))).toMatch(/^a section_end:1:x.*b \n$/);
  });
});
