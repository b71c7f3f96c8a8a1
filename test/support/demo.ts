import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { builtFolder } from '../../sandbox/start';

/** What `--json` prints. */
export interface Report {
  readonly succeeded: boolean;
  readonly jobs: readonly {
    readonly name: string;
    readonly state: string;
    readonly exitCode?: number;
    readonly failureReason?: string;
    readonly log: string;
    readonly figures: {
      instanceType: string;
      zone: string;
      yuanPerHour?: number;
      readySeconds?: number;
      yuan: number;
      exit: string;
    };
  }[];
  readonly leftovers: { instances: unknown[]; securityGroupIds: string[]; keyPairNames: string[] };
  readonly stacks: readonly string[];
  readonly stackList: string;
}

export const NOTHING = { leftovers: { instances: [], securityGroupIds: [], keyPairNames: [] }, stacks: [] };

/** The demo as `npm run demo` starts it, whose temporary files are in a folder of its own. */
export class Demo {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'demo-test-'));

  /**
   * `interruptAt`: SIGINT once, when its progress says that. `closeOutputAt`: nobody reads on once
   * its output says that.
   */
  async run(
    args: readonly string[],
    options: { interruptAt?: RegExp; closeOutputAt?: RegExp; env?: Record<string, string> } = {},
  ) {
    const child = spawn(process.execPath, [path.join(builtFolder(), 'demo.js'), ...args], {
      env: { ...process.env, TMPDIR: this.folder, ...options.env },
    });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (options.closeOutputAt?.test(stdout)) child.stdout.destroy();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (!interrupted && options.interruptAt?.test(stderr)) {
        interrupted = true;
        child.kill('SIGINT');
      }
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout, stderr, report: () => JSON.parse(stdout) as Report };
  }

  /** Processes that it started and that are still there, and its temporary files. */
  left(): string[] {
    const processes = readdirSync('/proc').filter((id) => {
      try {
        return /^\d+$/.test(id) && readFileSync(`/proc/${id}/environ`, 'utf8').includes(this.folder);
      } catch {
        return false;
      }
    });
    return [...processes, ...readdirSync(this.folder)];
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** For each test around the call: a demo of its own, and a folder for the repositories it runs. */
export function freshDemo(): { demo: Demo; repositories: string } {
  const fresh = {} as ReturnType<typeof freshDemo>;
  beforeEach(() => {
    fresh.demo = new Demo();
    fresh.repositories = mkdtempSync(path.join(os.tmpdir(), 'demo-repositories-'));
  });
  afterEach(() => {
    fresh.demo.remove();
    rmSync(fresh.repositories, { recursive: true });
  });
  return fresh;
}
