import { type Run } from '../cli/command';
import { Session } from './session';

const EMPTY = { manifest: { time: '0001-01-01T00:00:00Z', magic: '', version: '' }, metadata: {} };

/** `pulumi stack export`: the state as it is stored, secrets encrypted. */
export const exportStack: Run = async (invocation) => {
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  const deployment = (await session.backend.load(stack))?.checkpoint.latest ?? EMPTY;
  invocation.out(`${JSON.stringify({ version: 3, deployment }, undefined, 4)}\n`);
};
