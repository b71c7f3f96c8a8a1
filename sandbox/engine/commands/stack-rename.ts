import { existsSync, renameSync } from 'node:fs';
import { qualifiedName, type StackReference } from '../backend/reference';
import { type Run } from '../cli/command';
import { selectStack } from '../project/selection';
import { StackConfig } from '../project/stack-config';
import { STACK_TYPE } from '../deployment/urn';
import { type Deployment } from '../state/checkpoint';
import { Session } from './session';

/** `pulumi stack rename`. */
export const renameStack: Run = async (invocation) => {
  const { args, out, env } = invocation;
  const session = await Session.open(invocation);
  const from = await session.requireStack();
  const to = session.parse(args[0]!);
  const deployment = (await session.backend.load(from))?.checkpoint.latest;
  await session.locks.during(from, () => session.backend.rename(from, to, deployment && renamed(deployment, from, to)));
  if (session.project) {
    const [before, after] = [from, to].map(({ name }) => StackConfig.load(session.project!, name).file);
    if (existsSync(before!)) renameSync(before!, after!);
    selectStack(env, session.project, session.storage.url, qualifiedName(to));
  }
  out(`Renamed ${session.display(from)} to ${session.display(to)}\n`);
};

/** A state whose URNs, wherever they stand, are of another stack. */
function renamed(deployment: Deployment, from: StackReference, to: StackReference): Deployment {
  const before = `urn:pulumi:${from.name}::${from.project}::`;
  const after = `urn:pulumi:${to.name}::${to.project}::`;
  const rootBefore = `${before}${STACK_TYPE}::${from.project}-${from.name}`;
  const rootAfter = `${after}${STACK_TYPE}::${to.project}-${to.name}`;
  const rename = (urn: string) =>
    urn === rootBefore ? rootAfter : urn.startsWith(before) ? after + urn.slice(before.length) : urn;
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return rename(value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]));
  };
  return walk(deployment) as Deployment;
}
