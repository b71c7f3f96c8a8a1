// Makes a fresh clone ready: installs the dependencies and builds dist/, each only when it is out of date.
// Uses nothing but Node, since nothing else is there yet. Safe side by side: one process does the work, others wait.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const lock = path.join(root, '.setup.lock');
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

function step(name, command, args) {
  process.stderr.write(`setup: ${name}\n`);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    process.stderr.write(
      `setup: ${name} failed (exit ${result.status ?? result.signal}); fix that and run the command again\n`,
    );
    process.exit(1);
  }
}

function ownerIsGone() {
  try {
    process.kill(Number(readFileSync(path.join(lock, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH' || (error.code === 'ENOENT' && Date.now() - statSync(lock).mtimeMs > 5_000);
  }
}

function withLock(work) {
  const deadline = Date.now() + LOCK_LIMIT_MS;
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(path.join(lock, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (existsSync(lock) && ownerIsGone()) rmSync(lock, { recursive: true, force: true });
      else if (Date.now() > deadline) {
        process.stderr.write(`setup: waited 10 minutes for another set-up; if none runs, remove ${lock}\n`);
        process.exit(1);
      } else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    work();
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

if (!upToDate(installStamp, dependencies) || !upToDate(buildStamp, built())) {
  withLock(() => {
    if (!upToDate(installStamp, dependencies)) {
      step('installing dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
      writeFileSync(path.join(root, installStamp), dependencies);
    }
    const now = built();
    if (!upToDate(buildStamp, now)) {
      step('building dist/', process.execPath, ['scripts/build.mjs']);
      writeFileSync(path.join(root, buildStamp), now);
    }
  });
}
