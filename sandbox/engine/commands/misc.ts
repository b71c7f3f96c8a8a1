import { userInfo } from 'node:os';
import { type Command, type Run } from '../cli/command';
import { ROOT } from '../cli/commands';
import { helpText } from '../cli/help';
import { AlreadyReported, CommandError } from '../errors';
import { Session } from './session';

/** `pulumi` and `pulumi help`. */
export const showHelp: Run = async ({ args, out }) => {
  const path: Command[] = [ROOT];
  for (const word of args) {
    const next = path[path.length - 1]!.commands?.find(({ name, aliases }) => name === word || aliases?.includes(word));
    if (!next) break;
    path.push(next);
  }
  out(helpText(path));
  // Without any command the real CLI shows its help and fails.
  if (args.length === 0 && process.argv.length <= 2) throw new AlreadyReported('no command');
};

/** `pulumi whoami`. */
export const whoami: Run = async (invocation) => {
  const { flags, out } = invocation;
  const session = await Session.open(invocation);
  const user = userInfo().username;
  if (flags.bool('json') || flags.string('output') === 'json')
    out(`${JSON.stringify({ user, url: session.storage.url }, undefined, 2)}\n`);
  else if (flags.bool('verbose')) out(`User: ${user}\nBackend URL: ${session.storage.url}\n`);
  else out(`${user}\n`);
};

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
