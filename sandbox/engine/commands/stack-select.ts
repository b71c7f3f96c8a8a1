import { qualifiedName } from '../backend/reference';
import { type Run } from '../cli/command';
import { CommandError, StackNotFound } from '../errors';
import { selectStack } from '../project/selection';
import { Session } from './session';

/** `pulumi stack select`. */
export const selectStackCommand: Run = async (invocation) => {
  const { flags, args, env } = invocation;
  const session = await Session.open(invocation);
  if (args.length > 0 && flags.has('stack')) {
    throw new CommandError('only one of --stack or argument stack name may be specified, not both');
  }
  const name = args[0] ?? flags.string('stack');
  if (!name) throw new StackNotFound('no stack selected; specify a stack name with --stack');
  const stack = session.parse(name);
  if (!(await session.backend.exists(stack)))
    throw new StackNotFound(`no stack named '${session.display(stack)}' found`);
  selectStack(env, session.requireProject(), session.storage.url, qualifiedName(stack));
};
