// Makes a fresh clone ready: installs the dependencies and builds dist/, each only when it is out
// of date. Uses nothing but Node, since nothing else is there yet. Safe side by side: one process
// does the work, others wait.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const lock = path.join(root, '.setup.lock');
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const LOCK_LIMIT_MS = 10 * 60_000;

function digest(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(path.join(root, file)));
  return hash.digest('hex');
}

function sources(folder) {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

function upToDate(stamp, value) {
  const file = path.join(root, stamp);
  return existsSync(file) && readFileSync(file, 'utf8') === value;
}

/**
 * In a process group of its own, so that all of it can be ended: a step that outlives us would
 * spoil the next one's.
 */
async function step(name, command, args) {
  process.stderr.write(`setup: ${name}\n`);
  let signal;
  const end = (name) => {
    signal ??= name;
    endGroup(child.pid);
  };
  // Before the step is there: a signal in between would end us alone.
  for (const one of SIGNALS) process.on(one, end);
  const file = path.join(lock, 'step');
  writeFileSync(file, '');
  // It says itself who it is: we may be killed in this moment.
  const child = spawn('sh', ['-c', 'echo $$ >"$0" && exec "$@"', file, command, ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    detached: true,
  });
  const [status, failure] = await new Promise((resolve) => {
    child.once('error', (error) => resolve([undefined, error.message]));
    child.once('close', (code, by) => resolve([code, by]));
  });
  for (const one of SIGNALS) process.off(one, end);
  if (signal !== undefined) {
    process.stderr.write(`setup: ${name} was interrupted; run the command again\n`);
    throw new Stop(128 + constants.signals[signal]);
  }
  if (status !== 0) {
    process.stderr.write(
      `setup: ${name} failed (${failure ?? `exit ${status}`}); fix that and run the command again\n`,
    );
    throw new Stop(1);
  }
}

class Stop extends Error {
  constructor(exitCode) {
    super();
    this.exitCode = exitCode;
  }
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended.
  }
}

/** A file that is still empty counts for a moment: whoever writes it is about to. */
function lives(file, group) {
  try {
    const text = readFileSync(path.join(lock, file), 'utf8');
    if (text === '') return Date.now() - statSync(path.join(lock, file)).mtimeMs <= 5_000;
    process.kill(group ? -Number(text) : Number(text), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Killed with SIGKILL it leaves its step running, which is waited for. */
function ownerIsGone() {
  const young = !existsSync(path.join(lock, 'pid')) && Date.now() - statSync(lock).mtimeMs <= 5_000;
  return !young && !lives('pid', false) && !lives('step', true);
}

async function withLock(work) {
  const deadline = Date.now() + LOCK_LIMIT_MS;
  for (let said = false; ;) {
    try {
      mkdirSync(lock);
      writeFileSync(path.join(lock, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (existsSync(lock) && ownerIsGone()) {
        rmSync(lock, { recursive: true, force: true });
        continue;
      }
      if (!said) process.stderr.write('setup: waiting for another set-up of this folder (10 minutes at most)\n');
      said = true;
      if (Date.now() > deadline) {
        process.stderr.write(`setup: waited 10 minutes for another set-up; if none runs, remove ${lock}\n`);
        throw new Stop(1);
      }
      await sleep(200);
    }
  }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

const dependencies = digest(['package-lock.json']);
const built = () =>
  digest([
    ...['src', 'executor', 'stacks', 'sandbox', 'bench'].flatMap(sources),
    'scripts/build.mjs',
    'package-lock.json',
  ]);
const installStamp = 'node_modules/.gitlab-spot-installed';
const buildStamp = 'dist/.built';

try {
  if (!upToDate(installStamp, dependencies) || !upToDate(buildStamp, built())) {
    await withLock(async () => {
      if (!upToDate(installStamp, dependencies)) {
        await step('installing dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
        writeFileSync(path.join(root, installStamp), dependencies);
      }
      const now = built();
      if (!upToDate(buildStamp, now)) {
        await step('building dist/', process.execPath, ['scripts/build.mjs']);
        writeFileSync(path.join(root, buildStamp), now);
      }
    });
  }
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  process.exitCode = error.exitCode;
}
