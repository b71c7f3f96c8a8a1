import { setTimeout as sleep } from 'node:timers/promises';
import type { Project } from '../../sandbox/runner/run-pipeline';
import type { RunnerEvent } from '../../sandbox/runner/types';

/** The jobs of one round, as GitLab tells of them. It stays until the reaper has asked it. */
export class Victims {
  readonly ids = new Map<string, number>();
  gitlab = '';
  private readonly ended = new Set<string>();
  private reaped = false;

  constructor(private readonly names: readonly string[]) {}

  /** For a pipeline of them (world.ts). */
  readonly watch = {
    onProject: (opened: Project): void => void (this.gitlab = opened.gitlab.url),
    onEvent: (event: RunnerEvent): void => {
      if (event.type !== 'job-state') return;
      this.ids.set(event.name, event.id);
      if (event.state === 'success' || event.state === 'failed') this.ended.add(event.name);
    },
    stayUntil: (): Promise<void> => until('the reaper is through', () => this.reaped),
  };

  haveEnded(): Promise<void> {
    return until('the victims have ended', () => this.names.every((name) => this.ended.has(name)));
  }

  /** GitLab may go. */
  areDoneWith(): void {
    this.reaped = true;
  }
}

export function victimJob(name: string): string {
  return [`${name}:`, '  variables: {GIT_STRATEGY: none}', '  script:', '    - echo done'].join('\n');
}

/** @throws naming what did not come to hold within the limit */
export async function until(what: string, holds: () => boolean, limitMs = 120_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !holds(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}
