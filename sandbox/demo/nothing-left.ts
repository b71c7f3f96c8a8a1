/** Waits until all that the jobs made is gone: the executor destroys behind the job's back. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CloudControl, Leftovers } from '../cloud/types';

const run = promisify(execFile);
const PAUSE_MS = 250;

export interface Remains {
  readonly leftovers: Leftovers;
  /** `pulumi stack ls`, as it prints. */
  readonly stackList: string;
  readonly stacks: readonly string[];
  readonly nothing: boolean;
}

export interface PulumiPlace {
  /** The project's root, which has the Pulumi.yaml. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

class PulumiMissing extends Error {}

async function pulumi(args: readonly string[], { cwd, env }: PulumiPlace): Promise<string> {
  try {
    const { stdout } = await run('pulumi', [...args, '--non-interactive'], { cwd, env, maxBuffer: 16 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const failure = error as NodeJS.ErrnoException & { stderr?: string };
    if (failure.code === 'ENOENT') throw new PulumiMissing('pulumi is not on PATH');
    throw new Error(`pulumi ${args.join(' ')} failed: ${(failure.stderr ?? failure.message).trim()}`);
  }
}

async function stackNames(place: PulumiPlace): Promise<string[]> {
  const list = JSON.parse(await pulumi(['stack', 'ls', '--json'], place)) as { name: string }[];
  return list.map((stack) => stack.name);
}

function count(leftovers: Leftovers): number {
  return leftovers.instances.length + leftovers.securityGroupIds.length + leftovers.keyPairNames.length;
}

/** Resolves when nothing is left, or with what is left when the limit is reached. */
export async function waitUntilNothingIsLeft(
  control: CloudControl,
  place: PulumiPlace,
  limitMs: number,
  say: (text: string) => void,
): Promise<Remains> {
  const deadline = Date.now() + limitMs;
  for (let said = false; ; said = true) {
    const leftovers = await control.leftovers();
    const stacks = count(leftovers) === 0 ? await stackNames(place) : [];
    const nothing = count(leftovers) === 0 && stacks.length === 0;
    if (nothing || Date.now() > deadline)
      return { leftovers, stacks, nothing, stackList: await pulumi(['stack', 'ls'], place) };
    if (!said) say(`waiting until the jobs' instances and stacks are gone (${Math.round(limitMs / 1000)} s at most)`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

export function describeLeftovers({ leftovers, stacks }: Remains): string[] {
  return [
    ...leftovers.instances.map((one) => `instance ${one.instanceId} (${one.status})`),
    ...leftovers.securityGroupIds.map((id) => `security group ${id}`),
    ...leftovers.keyPairNames.map((name) => `key pair ${name}`),
    ...stacks.map((name) => `stack ${name}`),
  ];
}
