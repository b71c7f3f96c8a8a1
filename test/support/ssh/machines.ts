import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { without } from '../tools';

/** What an instance's image may offer to the supervisor. */
export interface Userland {
  readonly name: string;
  /** The reason against tests with it. */
  readonly missing: string | undefined;
  /** Puts its programs into a folder that is not there yet. @returns the machine's environment */
  readonly install: (folder: string) => Record<string, string>;
}

const TOOLS =
  'bash cat mkdir mkfifo mv rm head tail wc tr grep sleep dd env id seq ls kill ps touch date dirname chmod perl'.split(
    ' ',
  );

export const GNU: Userland = { name: 'GNU userland', missing: undefined, install: () => ({}) };

/** No bash, no GNU. */
export const BUSYBOX: Userland = {
  name: 'busybox',
  missing: without('busybox', ['true']),
  install: (folder) => {
    mkdirSync(folder);
    execFileSync('busybox', ['--install', '-s', folder]);
    return { PATH: folder, SHELL: path.join(folder, 'sh') };
  },
};

/** bash as sh, no setsid but perl, and no docker. */
export const WITHOUT_SETSID: Userland = {
  name: 'bash as sh without setsid',
  missing: undefined,
  install: (folder) => {
    mkdirSync(folder);
    for (const tool of TOOLS) {
      const binary = which(tool);
      if (binary !== undefined) symlinkSync(binary, path.join(folder, tool));
    }
    symlinkSync(which('bash') ?? '/bin/bash', path.join(folder, 'sh'));
    return { PATH: folder };
  },
};

/** Whoever follows a stage is slow at each step, as on a busy machine; the stage itself is not. */
export const SLOW_TO_FOLLOW: Userland = {
  name: 'a slow follower',
  missing: undefined,
  install: (folder) => {
    mkdirSync(folder);
    const steps = path.join(folder, 'steps');
    writeFileSync(steps, `unset BASH_ENV; set -o posix -T; trap '[ "\${verb-}" != run ] || sleep 0.02' DEBUG\n`);
    writeFileSync(path.join(folder, 'sh'), `#!/bin/bash\nBASH_ENV=${steps} exec bash "$@"\n`, { mode: 0o755 });
    return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  },
};

function which(tool: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', tool], { encoding: 'utf8' }).stdout.trim();
  return found.startsWith('/') ? found : undefined;
}

/** Another `sh` before all else on PATH. */
export function withSh(program: string): Userland {
  return {
    name: `${program} as sh`,
    missing: without(program, program === 'busybox' ? ['sh', '-c', ':'] : ['-c', ':']),
    install: (folder) => {
      mkdirSync(folder);
      symlinkSync(which(program)!, path.join(folder, 'sh'));
      return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    },
  };
}
