import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { OutputReader, useIn } from '../../../src/ssh/output';
import { describeWithTool } from '../../support/tools';

/** What an instance says of its own use: measured by the supervisor, and read with distrust. */
const supervisor = readFileSync(path.resolve(__dirname, '../../../src/ssh/supervisor.sh'), 'utf8');
const named = (name: string): string => new RegExp(`^${name}\\(\\) \\{\\n?.*?\\}[^\\n]*$`, 'ms').exec(supervisor)![0];
const functions = ['memory_now', 'processors_now', 'watch_memory', 'measure_use']
  .map((name) => new RegExp(`^${name}\\(\\) \\{\\n.*?^\\}[^\\n]*$`, 'ms').exec(supervisor)![0])
  .join('\n');

const MEMINFO =
  'MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    6000000 kB\nBuffers: 1 kB\n';
const STAT = 'cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\nintr 1\n';
const LATER = 'cpu  300 0 150 900 50 0 0 100 0 0\ncpu0 1\n';

for (const [program, ...options] of [['dash'], ['bash', '--posix'], ['busybox', 'sh']] as const) {
  describeWithTool(`${program} measures its machine`, { program, args: [...options, '-c', ':'] }, () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(path.join(os.tmpdir(), 'use-'));
      mkdirSync(path.join(folder, 'claim'));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    function measured(before: { meminfo?: string; stat?: string }, after: { meminfo?: string; stat?: string }): string {
      const put = ({ meminfo, stat }: typeof before) =>
        [['meminfo', meminfo] as const, ['stat', stat] as const]
          .map(([name, text]) =>
            text === undefined ? `rm -f '${folder}/${name}'` : `printf %s '${text}' >'${folder}/${name}'`,
          )
          .join('\n');
      const script = [
        'set +efvx; set -u',
        `dir='${folder}' least=0`,
        named('read_file'),
        functions.replaceAll('/proc/', `${folder}/`),
        'stat() { echo 1000 750; }',
        put(before),
        'processors_now; watch_memory',
        put(after),
        'unset least; measure_use; echo "$use"',
      ].join('\n');
      writeFileSync(path.join(folder, 'script'), script);
      return execFileSync(program, [...options, path.join(folder, 'script')], {
        encoding: 'utf8',
        stdio: 'pipe',
      }).trim();
    }

    test.each<[string, Parameters<typeof measured>[0], Parameters<typeof measured>[0], string]>([
      [
        'the least memory that was available, ticks since the beginning, and the disk',
        { meminfo: MEMINFO.replace('6000000', '2000000'), stat: STAT },
        { meminfo: MEMINFO, stat: LATER },
        '2000000 8000000 400 500 1000 750',
      ],
      [
        'now, where it was less before',
        { meminfo: MEMINFO, stat: STAT },
        { meminfo: MEMINFO.replace('6000000', '1000'), stat: STAT },
        '1000 8000000 0 0 1000 750',
      ],
      ['nothing without /proc', {}, {}, '0 0 0 0 1000 750'],
      [
        'no memory on a kernel that does not tell what is available',
        { stat: STAT },
        { meminfo: 'MemTotal: 8 kB\n', stat: STAT },
        '0 8 0 0 1000 750',
      ],
      [
        'no ticks where they make no sense',
        { meminfo: MEMINFO, stat: 'cpu x\n' },
        { meminfo: MEMINFO, stat: 'intr 1\n' },
        '6000000 8000000 0 0 1000 750',
      ],
    ])('%s', (_case, before, after, use) => expect(measured(before, after)).toBe(use));
  });
}

describe('the claim', () => {
  test.each<[string, string, object | undefined]>([
    ['shares', '2000000 8000000 400 500 1000 750', { memory: 0.75, cpu: 0.8, disk: 0.25 }],
    ['what is not known is left out', '0 0 0 0 1000 750', { disk: 0.25 }],
    ['an older supervisor', '', undefined],
    ['more used than there is', '0 100 900 500 100 200', { memory: 1 }],
    ['no numbers', '-1 1e9 0x10 NaN Infinity 1.5', undefined],
    ['numbers beyond all machines', `${'9'.repeat(16)} 1 1 1 ${'9'.repeat(40)} 1`, { cpu: 1 }],
    ['and words beyond', '1 2 1 2 1 1 3 4 5', { memory: 0.5, cpu: 0.5, disk: 0 }],
  ])('%s', (_case, text, use) => expect(useIn(text.split(' '))).toEqual(use));

  test('comes with the exit status, and changes nothing about that', () => {
    const exits: unknown[] = [];
    const reader = new OutputReader('n', {
      attached: () => undefined,
      output: () => undefined,
      exit: (status, use) => exits.push([status, use]),
    });
    reader.push(Buffer.from('\x1e\x02n attached b\x03\x1e\x02n exit 3 1 4 rubbish\x03'));
    expect(exits).toEqual([[3, { memory: 0.75 }]]);
  });
});
