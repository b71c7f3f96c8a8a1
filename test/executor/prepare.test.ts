import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ownerOf } from '../../src/host/process-owner';
import { queueLength, trySlot } from '../../src/host/queue';
import { describeWithTool } from '../support/tools';

/**
 * The shell before prepare.js. Its node is a shell too: what it starts are scripts that say what
 * they were given, and do as they are told on stdin.
 */
const FRONT = path.resolve(__dirname, '../../executor/prepare.sh');
const PREPARE = `
echo "prepare $$ \${GITLAB_SPOT_UP_TICKET-without ticket} \${1-}" >&2
read -r _ && { exec 7<&-; echo place; }
read -r _ && rm -f "$GITLAB_SPOT_UP_QUEUE/$GITLAB_SPOT_UP_TICKET"
[ -z "\${1-}" ] || { rm -f "$GITLAB_SPOT_UP_QUEUE/$GITLAB_SPOT_UP_TICKET"; exit 2; }
`;
const ANNOUNCE = 'echo "announce $PPID $GITLAB_SPOT_UP_TICKET"; exit ${BAD_INPUT-0}\n';

let directory: string;
let queue: string;
let fronts: Front[];
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'a queue-'));
  queue = path.join(directory, 'up');
  mkdirSync(queue);
  copyFileSync(FRONT, path.join(directory, 'prepare'));
  writeFileSync(path.join(directory, 'prepare.js'), PREPARE);
  writeFileSync(path.join(directory, 'report-queued.js'), ANNOUNCE);
  fronts = [];
});
afterEach(() => {
  for (const { child } of fronts) if (child.exitCode === null && child.signalCode === null) kill(child);
  rmSync(directory, { recursive: true, force: true });
});

/** With all that it has started. */
function kill({ pid }: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  process.kill(-pid!, signal);
}

class Front {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  output = '';

  constructor(shell: readonly string[], environment: Record<string, string>) {
    const [program = '', ...args] = [...shell, path.join(directory, 'prepare'), '/bin/sh'];
    this.child = spawn(program, args, {
      env: { PATH: process.env.PATH, ...environment },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        this.child.emit('said');
      });
    this.ended = once(this.child, 'close');
    fronts.push(this);
  }

  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) await once(this.child, 'said', { signal: AbortSignal.timeout(10_000) });
  }

  tell(): void {
    this.child.stdin!.write('\n');
  }
}

const start = (change: Record<string, string> = {}, shell: readonly string[] = ['/bin/sh']): Front =>
  new Front(shell, { GITLAB_SPOT_UP_QUEUE: queue, GITLAB_SPOT_UP_SLOTS: '1', ...change });
const tickets = (): string[] =>
  readdirSync(queue)
    .filter((name) => /^\d{20}$/.test(name))
    .sort();

for (const shell of [['dash'], ['bash'], ['busybox', 'sh']] as const) {
  const [program, ...args] = shell;
  describeWithTool(`the prepare hook’s shell (${shell.join(' ')})`, { program, args: [...args, '-c', ':'] }, () => {
    test('becomes prepare.js at once where there is a place, and hands its ticket on', async () => {
      const front = start({}, shell);
      await front.says('prepare ');
      expect(front.output).toBe(`prepare ${front.child.pid} ${tickets().join()} \n`);
      expect(JSON.parse(readFileSync(path.join(queue, tickets()[0]!), 'utf8'))).toEqual({
        owner: ownerOf(front.child.pid!),
      });
      expect(trySlot({ directory: queue, slots: 1 })).toBeUndefined();
    });

    test('waits behind others, first come, first served; of all that wait one becomes prepare.js', async () => {
      const held = trySlot({ directory: queue, slots: 1 })!;
      const waiting: Front[] = [];
      for (let number = 0; number < 3; number++) {
        const front = start({}, shell);
        await front.says('announce ');
        expect(front.output).toBe(`announce ${front.child.pid} ${tickets().at(-1)}\n`);
        waiting.push(front);
      }
      const [first, second, third] = waiting as [Front, Front, Front];
      await first.says('prepare ');
      held.release();
      expect(second.output).not.toContain('prepare');
      first.tell();
      await second.says(`prepare ${second.child.pid} ${tickets()[1]}`);
      expect(third.output).not.toContain('prepare');
      second.tell();
      await third.says('prepare ');
    });

    test('tells of further authorities later who mostly asks no server, and prepare.js at once', async () => {
      const show = 'echo "${NODE_EXTRA_CA_CERTS-none} ${GITLAB_SPOT_LATER_CA_CERTS-none}"; read -r _\n';
      for (const name of ['prepare.js', 'report-queued.js']) writeFileSync(path.join(directory, name), show);
      const held = trySlot({ directory: queue, slots: 1 })!;
      const front = start({ NODE_EXTRA_CA_CERTS: '/etc/a ca.pem' }, shell);
      await front.says('none /etc/a ca.pem\n');
      held.release();
      front.tell();
      await front.says('/etc/a ca.pem none\n');
    });

    test('passes over who was killed while it waited', async () => {
      const held = trySlot({ directory: queue, slots: 1 })!;
      const waiting = [start({}, shell)];
      await waiting[0]!.says('prepare ');
      while (waiting.length < 4) {
        const front = start({}, shell);
        await front.says('announce ');
        waiting.push(front);
      }
      const [first, second, third, fourth] = waiting as [Front, Front, Front, Front];
      kill(third.child);
      await third.ended;
      kill(first.child);
      await second.says('prepare ');
      expect(fourth.output).not.toContain('prepare');
      kill(second.child);
      await fourth.says('prepare ');
      held.release();
      expect(queueLength({ directory: queue, slots: 1 })).toBe(1);
    });

    test.each(['SIGTERM', 'SIGINT'] as const)('ends by prepare.js when it is told to with %s', async (signal) => {
      const [held, first] = [trySlot({ directory: queue, slots: 1 })!, start({}, shell)];
      await first.says('prepare ');
      const front = start({}, shell);
      await front.says('announce ');
      kill(front.child, signal);
      await front.says(`prepare ${front.child.pid} ${tickets()[2]} ${signal}`);
      front.child.stdin!.end();
      expect((await front.ended)[0]).toBe(2);
      expect(tickets()).toHaveLength(2);
      held.release();
    });

    test('ends by prepare.js when it is told to while it still has its turn', async () => {
      // Its last step before it gives the turn up is to remove its ticket: that is when it is told,
      // and once.
      const programs = path.join(directory, 'bin');
      mkdirSync(programs);
      const remove = `#!/bin/sh\ncase \${2##*/} in *.*) ;; *) kill -TERM $PPID; set -- "$@" "$0" ;; esac\nexec /bin/rm "$@"\n`;
      writeFileSync(path.join(programs, 'rm'), remove, { mode: 0o755 });
      const held = trySlot({ directory: queue, slots: 1 })!;
      const front = start({ BAD_INPUT: '1', PATH: `${programs}:${process.env.PATH}` }, shell);
      await front.says('SIGTERM');
      front.child.stdin!.end();
      expect((await front.ended)[0]).toBe(2);
      held.release();
      expect(tickets()).toEqual([]);
    });

    test('ends in turns where a whole pipeline is cancelled', async () => {
      const held = trySlot({ directory: queue, slots: 1 })!;
      const first = start({}, shell);
      await first.says('prepare ');
      const cancelled = [start({}, shell), start({}, shell), start({}, shell)];
      await Promise.all(cancelled.map((front) => front.says('announce ')));
      for (const { child } of cancelled) kill(child, 'SIGTERM');
      const ending = (): Front[] => cancelled.filter((front) => front.output.includes('SIGTERM'));
      for (let ended = 0; ended < 3; ended++) {
        const others = cancelled.filter((front) => !ending().includes(front));
        if (ending().length === ended) await Promise.race(others.map((front) => front.says('SIGTERM')));
        expect(ending()).toHaveLength(ended + 1);
        const now = ending().find(({ child }) => child.exitCode === null)!;
        now.child.stdin!.end();
        await now.ended;
      }
      held.release();
      expect(tickets()).toHaveLength(1);
    });

    test('ends with what the announcement found wrong, and leaves no ticket', async () => {
      const held = trySlot({ directory: queue, slots: 1 })!;
      const front = start({ BAD_INPUT: '1' }, shell);
      expect((await front.ended)[0]).toBe(1);
      expect(front.output).not.toContain('prepare');
      held.release();
      expect(tickets()).toEqual([]);
    });
  });
}

test.each<[string, () => Record<string, string>]>([
  ['config handed no queue on', () => ({ GITLAB_SPOT_UP_QUEUE: '' })],
  ['the number of slots is none', () => ({ GITLAB_SPOT_UP_SLOTS: 'four' })],
  ['the queue’s folder is gone', () => ({ GITLAB_SPOT_UP_QUEUE: `${queue}/gone` })],
  ['the queue is no folder', () => ({ GITLAB_SPOT_UP_QUEUE: path.join(directory, 'prepare') })],
  ['there is no flock', () => ({ PATH: path.join(directory, 'empty') })],
])('leaves it to prepare.js where %s', async (_what, change) => {
  const front = start(change());
  await front.says('prepare ');
  expect(front.output).toBe(`prepare ${front.child.pid} without ticket \n`);
  expect(tickets()).toEqual([]);
});

test('twenty jobs that come at once get their slots in the order of their tickets', async () => {
  const held = trySlot({ directory: queue, slots: 1 })!;
  const all = Array.from({ length: 20 }, () => start());
  const began: string[] = [];
  const jobs = all.map(async (front) => {
    await front.says('prepare ');
    began.push(/prepare \d+ (\d+)/.exec(front.output)![1]!);
    await Promise.all(all.map((one) => one.says('announce ')));
    front.tell();
    await front.says('place');
    front.child.stdin!.end('\n');
    await front.ended;
  });
  await Promise.all(jobs);
  expect(new Set(began).size).toBe(20);
  expect(began).toEqual([...began].sort());
  held.release();
  expect(tickets()).toEqual([]);
});
