import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { table } from '../display/text';
import { Session } from './session';

/** `pulumi stack tag get|ls|rm|set`: a file beside the stack's state. */
export const stackTag =
  (verb: string): Run =>
  async (invocation) => {
    const { args, flags, out } = invocation;
    const session = await Session.open(invocation);
    const stack = await session.requireStack();
    const key = `.pulumi/stacks/${stack.project}/${stack.name}.pulumi-tags`;
    const tags = JSON.parse((await session.storage.read(key))?.toString() ?? '{}') as Record<string, string>;
    const [name, value] = args;
    const save = () => session.storage.write(key, Buffer.from(JSON.stringify(tags)));
    if (verb === 'ls')
      return out(
        flags.bool('json')
          ? `${JSON.stringify(tags, undefined, 2)}\n`
          : table([['NAME', 'VALUE'], ...Object.entries(tags).sort()]),
      );
    if (name === undefined) throw new CommandError(`accepts ${verb === 'set' ? 2 : 1} arg(s), received ${args.length}`);
    if (verb === 'get') {
      if (tags[name] === undefined)
        throw new CommandError(`stack tag '${name}' not found for stack '${session.display(stack)}'`);
      return out(`${tags[name]}\n`);
    }
    if (verb === 'rm') delete tags[name];
    else if (value === undefined) throw new CommandError(`accepts 2 arg(s), received ${args.length}`);
    else tags[name] = value;
    await save();
  };
