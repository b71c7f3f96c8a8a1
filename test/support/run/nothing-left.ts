import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that was told to end takes a moment, on a busy machine too. */
const LIMIT_MS = 10_000;

/**
 * Caches that are made to outlive a process: programs of the sandbox's instances, and what Pulumi's
 * SDK has compiled.
 */
const CACHE = /^(gitlab-spot-sandbox-\d+|ts-node-[0-9a-f]+)$/;

/**
 * After a run: names the processes and temporary files that its tests left behind, and removes the
 * files. @throws where there are any
 */
export default async function nothingLeft(): Promise<void> {
  const folder = tmpdir();
  const deadline = Date.now() + LIMIT_MS;
  let left = leftOf(folder);
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(200);
    left = leftOf(folder);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  if (left.length === 0) return;
  throw new Error(`The tests left behind:\n${left.map((line) => `  ${line}`).join('\n')}`);
}

function leftOf(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => !CACHE.test(name));
  return [...processesOf(folder), ...files.map((name) => `${folder}/${name}`)];
}

/**
 * Those whose environment names the folder: whatever a test starts has its temporary folder from
 * this run.
 */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => textOf(`/proc/${pid}/environ`).includes(folder))
    .map((pid) => `process ${pid}: ${textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 200)}`);
}

/** '' where the process has ended, or is another user's. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
