/** Programs of this machine that instances have, as their image would bring them along. */
import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { MachineSpec } from './instance/machine';

type Programs = NonNullable<MachineSpec['programs']>;

const DOCKER_ANSWERS_MS = 3_000;
const run = promisify(execFile);

/** An instance has no docker of its own; it may use this machine's. */
export async function dockerWorks(): Promise<boolean> {
  return run('docker', ['version'], { timeout: DOCKER_ANSWERS_MS }).then(
    () => true,
    () => false,
  );
}

/** @param file the real gitlab-runner; undefined: there is none, and the stand-in stays. */
export function realHelper(file: string | undefined): Programs {
  return file === undefined ? {} : { 'gitlab-runner': { file: realpathSync(file) } };
}

/** As words for the cloud's own process: `gitlab-runner=/path`, `docker=host`. */
export function programWords(programs: Programs): string[] {
  return Object.entries(programs).map(
    ([name, source]) => `${name}=${typeof source === 'object' ? path.resolve(source.file) : source}`,
  );
}

/** @throws for a word that is none of those. */
export function parsePrograms(words: readonly string[]): Programs {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, source = ''] = /^(docker|gitlab-runner)=(stand-in|host|none|\/.+)$/.exec(word) ?? [];
      if (name === undefined) throw new Error(`--program must be docker=… or gitlab-runner=…, not ${word}`);
      return [name, source.startsWith('/') ? { file: source } : source];
    }),
  );
}
