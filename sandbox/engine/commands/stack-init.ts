import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { selectStack } from '../project/selection';
import { StackConfig } from '../project/stack-config';
import { qualifiedName, type StackReference } from '../backend/reference';
import { manifest, type Deployment } from '../state/checkpoint';
import { Keyring } from './secrets';
import { Session } from './session';

/** `pulumi stack init`. */
export const initStack: Run = async (invocation) => {
  const { flags, args } = invocation;
  if (args.length > 0 && flags.has('stack')) {
    throw new CommandError('only one of --stack or argument stack name may be specified, not both');
  }
  const name = args[0] ?? flags.string('stack');
  if (!name) throw new CommandError('missing stack name');
  const session = await Session.open(invocation);
  await createStack(session, session.parse(name));
};

/** Makes an empty stack with a salt of its own, and selects it. */
async function createStack(session: Session, stack: StackReference): Promise<void> {
  const { flags, env, clock, out } = session.invocation;
  const config = session.project && StackConfig.load(session.project, stack.name);
  const keyring = new Keyring(env);
  const crypter = await (config?.salt ? keyring.open(config.salt) : keyring.create()).catch((error: Error) => {
    throw new CommandError(`could not create secrets manager for new stack: ${error.message}`);
  });
  const deployment: Deployment = {
    manifest: manifest(clock.now()),
    secrets_providers: { type: 'passphrase', state: { salt: crypter.salt } },
    metadata: {},
  };
  await session.locks.during(stack, () => session.backend.create(stack, deployment));
  out(`Created stack '${session.display(stack)}'\n`);
  if (config && config.salt !== crypter.salt) {
    config.salt = crypter.salt;
    config.save();
  }
  if (session.project && !flags.bool('no-select'))
    selectStack(env, session.project, session.storage.url, qualifiedName(stack));
}
