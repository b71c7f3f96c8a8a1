import type { EngineInspection, PluginState } from '../engine/inspect';
import { bad, good, warning, type Finding } from './finding';

/** The provider that stacks/ need: a missing one is downloaded by every job, or not at all. */
export function plugin({ needed, onPath, installed, home }: PluginState): Finding {
  const condition = 'alicloud plugin';
  const install = `Run \`pulumi plugin install resource alicloud ${needed}\` as the user that gitlab-runner runs as (PULUMI_HOME=${home}).`;
  if (onPath) {
    const { file, version } = onPath;
    if (version === '')
      return warning(
        condition,
        `${file} does not tell its version; stacks/ were written for ${needed}`,
        `Put version ${needed} there.`,
      );
    if (isOlder(version, needed))
      return bad(
        condition,
        `${file} is ${version}, older than the ${needed} that stacks/ were written for`,
        `Put version ${needed} there, or remove it and install the plugin.`,
      );
    return good(condition, `${version} at ${file}`);
  }
  if (installed.includes(needed)) return good(condition, `${needed} in ${home}`);
  const others =
    installed.length === 0 ? 'no alicloud plugin is installed' : `only ${installed.join(', ')} is installed`;
  return bad(
    condition,
    `${others} in ${home}, none is on PATH, and stacks/ need ${needed}: each job would try to download it`,
    install,
  );
}

/** A lock in use is a job's own; one whose owner is gone keeps its stack from being destroyed. */
export function locks(found: ReturnType<EngineInspection['locks']>, backendUrl: string): Finding | readonly Finding[] {
  const condition = 'locks';
  if (found === undefined)
    return good(condition, `can't be seen from outside in ${backendUrl}; the reaper clears stale ones`);
  const stale = found.filter((lock) => lock.stale);
  if (stale.length === 0) return good(condition, found.length === 0 ? 'none' : `${found.length}, of jobs at work`);
  return stale.map(({ stack, owner, since }) =>
    warning(
      condition,
      `stack ${stack} is locked since ${since} by ${owner}, which is gone`,
      stack.startsWith('job-')
        ? '`gitlab-spot reap --yes` clears the lock and destroys the stack.'
        : `Run \`pulumi cancel ${stack} --yes\` with this host's PULUMI_BACKEND_URL and passphrase file.`,
    ),
  );
}

function isOlder(version: string, needed: string): boolean {
  const [a, b] = [version, needed].map((one) => one.split('.').map((part) => Number.parseInt(part, 10) || 0)) as [
    number[],
    number[],
  ];
  for (const index of [0, 1, 2]) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
