import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ownerOf, thisProcess } from '../../../src/host/process-owner';
import { trySlot } from '../../../src/host/queue';
import { describeWithTool } from '../../support/tools';

/**
 * The protocol of src/host/queue.ts, for both that draw tickets: queue.ts itself, and the shell
 * before prepare.js.
 */
interface Drawn {
  readonly name: string;
  readonly content: unknown;
  readonly mode: number;
  readonly owner: unknown;
  /** Whether it has a slot at once. */
  readonly hasSlot: boolean;
}
type Drawer = (folder: string, slots: number) => Promise<Drawn>;

const SHELL = path.resolve(__dirname, '../../../executor/prepare.sh');
const numbered = (number: number): string => String(number).padStart(20, '0');
const names = (folder: string): string[] => readdirSync(folder).filter((name) => /^\d{20}$/.test(name));

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'tickets-'));
  folder = path.join(root, 'up');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const byNode: Drawer = (directory, slots) => {
  const before = new Set(readdirSync(directory));
  const drawn = trySlot({ directory, slots: 99 })!;
  const name = names(directory).find((one) => !before.has(one))!;
  const seen = { ...lookAt(directory, name), owner: thisProcess() };
  drawn.release();
  const slot = trySlot({ directory, slots });
  slot?.release();
  return Promise.resolve({ ...seen, hasSlot: slot !== undefined });
};

/** prepare.js becomes a script that says who it is and waits; report-queued.js one that says so. */
const byShell =
  (shell: readonly string[]): Drawer =>
  async (directory, slots) => {
    copyFileSync(SHELL, path.join(root, 'prepare'));
    writeFileSync(path.join(root, 'prepare.js'), 'echo ready; read -r _\n');
    writeFileSync(path.join(root, 'report-queued.js'), 'echo queued; read -r _\n');
    const before = new Set(readdirSync(directory));
    const [program = '', ...args] = [...shell, path.join(root, 'prepare'), '/bin/sh'];
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, GITLAB_SPOT_UP_QUEUE: directory, GITLAB_SPOT_UP_SLOTS: String(slots) },
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    try {
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      const name = names(directory).find((one) => !before.has(one))!;
      return { ...lookAt(directory, name), owner: ownerOf(child.pid!), hasSlot: said.toString().startsWith('ready') };
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
      await closed;
    }
  };

function lookAt(directory: string, name: string): Omit<Drawn, 'owner' | 'hasSlot'> {
  const file = path.join(directory, name);
  return { name, content: JSON.parse(readFileSync(file, 'utf8')), mode: statSync(file).mode & 0o777 };
}

/** A ticket of a process that lives: this one. */
const ticket = JSON.stringify({ owner: thisProcess() });

interface Case {
  readonly there: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly name: string | undefined;
  readonly hasSlot: boolean;
}
const cases: readonly (readonly [string, Case])[] = [
  ['is the next number', { there: { [numbered(41)]: ticket }, slots: 2, name: numbered(42), hasSlot: true }],
  ['waits behind a slot’s owner', { there: { [numbered(41)]: ticket }, slots: 1, name: numbered(42), hasSlot: false }],
  [
    'follows the greatest of several',
    { there: { [numbered(7)]: ticket, [numbered(12)]: ticket }, slots: 2, name: numbered(13), hasSlot: false },
  ],
  [
    'is decimal, whatever zeros it begins with',
    { there: { [numbered(89)]: ticket }, slots: 2, name: numbered(90), hasSlot: true },
  ],
  ['grows by a digit', { there: { [numbered(99_999)]: ticket }, slots: 2, name: numbered(100_000), hasSlot: true }],
  [
    'passes over drafts and other names',
    {
      there: { [`${numbered(50)}.4242`]: '', 'turns.0': '', '17': ticket, [numbered(3)]: ticket },
      slots: 2,
      name: undefined,
      hasSlot: true,
    },
  ],
  ['is the time in microseconds in an empty folder', { there: {}, slots: 1, name: undefined, hasSlot: true }],
];

function followsTheProtocol(draw: Drawer): void {
  test.each(cases)('a new ticket %s', async (_what, { there, slots, name, hasSlot }) => {
    for (const [file, text] of Object.entries(there)) writeFileSync(path.join(folder, file), text);
    const begun = Date.now() * 1000;
    const drawn = await draw(folder, slots);
    expect(drawn).toMatchObject({ hasSlot, mode: 0o600, content: { owner: drawn.owner } });
    if (name !== undefined) expect(drawn.name).toBe(name);
    else if (Object.keys(there).length === 0) expect(Number(drawn.name) - begun).toBeGreaterThan(-2_000_000);
    else expect(drawn.name).toBe(numbered(4));
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(Object.keys(there)));
  });
}

describe('queue.ts', () => followsTheProtocol(byNode));
for (const shell of [['dash'], ['bash'], ['busybox', 'sh']] as const) {
  const [program, ...args] = shell;
  describeWithTool(`the shell before prepare.js (${shell.join(' ')})`, { program, args: [...args, '-c', ':'] }, () =>
    followsTheProtocol(byShell(shell)),
  );
}
