import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { Session } from './session';

/** `pulumi cancel`: removes the locks of a stack, whoever holds them. */
export const cancel: Run = async (invocation) => {
  const { flags, args, out } = invocation;
  if (args.length > 0 && flags.has('stack')) {
    throw new CommandError('only one of --stack or argument stack name may be specified, not both');
  }
  const session = await Session.open(invocation);
  const stack = await session.requireStack(args[0] ?? flags.string('stack'));
  if (!flags.bool('yes')) throw new CommandError('--yes must be passed in non-interactive mode');
  await session.locks.clear(stack);
  out(`The currently running update for '${session.display(stack)}' has been canceled!\n`);
};
