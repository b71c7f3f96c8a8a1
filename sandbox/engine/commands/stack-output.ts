import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { outputTable } from '../display/text';
import { sorted, type Properties } from '../rpc/values';
import { holdsSecret, mask, reveal, SecretSealer } from '../secrets/envelope';
import { type Deployment } from '../state/checkpoint';
import { Keyring } from './secrets';
import { Session } from './session';

/** `pulumi stack output`. */
export const stackOutput: Run = async (invocation) => {
  const { flags, args, out } = invocation;
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  const deployment = (await session.backend.load(stack))?.checkpoint.latest;
  const outputs = await stackOutputs(session, deployment, flags.bool('show-secrets'));
  const json = flags.bool('json');
  const [name] = args;
  if (name !== undefined) {
    const value = outputs[name];
    if (value === undefined) throw new CommandError(`current stack does not have output property '${name}'`);
    return out(
      `${json || typeof value !== 'string' ? JSON.stringify(value, undefined, json ? 2 : undefined) : value}\n`,
    );
  }
  out(json ? `${JSON.stringify(outputs, undefined, 2)}\n` : outputTable(outputs));
};

/** The outputs of a stack's root resource, secrets in the clear or as [secret]. */
async function stackOutputs(
  session: Session,
  deployment: Deployment | undefined,
  showSecrets: boolean,
): Promise<Properties> {
  const root = deployment?.resources?.find(
    ({ type, delete: condemned }) => type === 'pulumi:pulumi:Stack' && !condemned,
  );
  const outputs = sorted(root?.outputs ?? {}) as Properties;
  if (!showSecrets) return mask(outputs) as Properties;
  // The key is derived even when there is nothing to decrypt, as the real CLI does: a wrong
  // passphrase is told.
  const crypter = deployment?.secrets_providers && (await new Keyring(session.invocation.env).forState(deployment));
  if (!holdsSecret(outputs)) return outputs;
  return reveal(new SecretSealer(() => crypter!).open(outputs));
}
