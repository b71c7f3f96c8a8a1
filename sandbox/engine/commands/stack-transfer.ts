import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { isProperties, sorted, type Properties } from '../rpc/values';
import { holdsSecret, mapSecrets, SECRET, SecretSealer, SIGNATURE } from '../secrets/envelope';
import { tidy, type Deployment, type Resource } from '../state/checkpoint';
import { Keyring } from './secrets';
import { Session } from './session';

/** `pulumi stack export`. */
export const exportStack: Run = async (invocation) => {
  const { flags, out } = invocation;
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  const file = await session.backend.load(stack);
  const latest = file?.checkpoint.latest;
  const deployment = latest && flags.bool('show-secrets') ? await inTheClear(session, latest) : latest;
  const text = `${JSON.stringify({ version: 3, deployment: deployment ?? { manifest: { time: '0001-01-01T00:00:00Z', magic: '', version: '' }, metadata: {} } }, undefined, 4)}\n`;
  const target = flags.string('file');
  if (target) writeFileSync(path.resolve(invocation.cwd, target), text, { mode: 0o600 });
  else out(text);
};

async function inTheClear(session: Session, deployment: Deployment): Promise<Deployment> {
  // The key is derived even when there is nothing to decrypt, as the real CLI does.
  const crypter = deployment.secrets_providers && (await new Keyring(session.invocation.env).forState(deployment));
  const sealer = new SecretSealer(() => crypter!);
  const revealed = (properties: Properties): Properties =>
    mapSecrets(sealer.open(properties), (found) => ({
      [SIGNATURE]: SECRET,
      plaintext: JSON.stringify(found['value'] ?? null),
    })) as Properties;
  return mapProperties(deployment, revealed);
}

/** `pulumi stack import`. */
export const importStack: Run = async (invocation) => {
  const { flags, out, env } = invocation;
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  const source = flags.string('file');
  const text = readFileSync(source ? path.resolve(invocation.cwd, source) : 0, 'utf8');
  const { deployment } = parseExport(text);
  if (!flags.bool('force')) checkStackName(deployment, stack.name);
  const current = (await session.backend.load(stack))?.checkpoint.latest;
  const keyring = new Keyring(env);
  const wanted = deployment.secrets_providers ?? current?.secrets_providers;
  const secrets = allProperties(deployment).some(holdsSecret);
  const crypter = secrets
    ? await keyring.forState(wanted ? { ...deployment, secrets_providers: wanted } : undefined)
    : undefined;
  const sealer = new SecretSealer(() => crypter!);
  const sealed = mapProperties(deployment, (properties) => sealer.seal(sealer.open(properties)));
  await session.locks.during(stack, () =>
    session.backend.save(stack, { ...sealed, ...(wanted && { secrets_providers: wanted }) }),
  );
  out('Import complete.\n');
};

function parseExport(text: string): { version: number; deployment: Deployment } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new CommandError(`could not deserialize deployment: ${(error as Error).message}`);
  }
  const { version, deployment } = (parsed ?? {}) as { version?: number; deployment?: Properties };
  if (!isProperties(deployment))
    throw new CommandError('could not deserialize deployment: there is no deployment in it');
  if (version !== undefined && version > 4)
    throw new CommandError('the stack deployment is newer than what this version of the Pulumi CLI understands');
  return { version: version ?? 3, deployment: { metadata: {}, ...deployment } as unknown as Deployment };
}

function checkStackName(deployment: Deployment, name: string): void {
  const foreign = (deployment.resources ?? []).find(({ urn }) => urn.split('::')[0] !== `urn:pulumi:${name}`);
  if (foreign) {
    throw new CommandError(
      `importing this file could be dangerous; rerun with --force to proceed anyway:\n    resource '${foreign.urn}' is from a different stack (${foreign.urn.split('::')[0]!.slice('urn:pulumi:'.length)} != ${name})`,
    );
  }
}

function allProperties(deployment: Deployment): Properties[] {
  const resources = [
    ...(deployment.resources ?? []),
    ...(deployment.pending_operations ?? []).map(({ resource }) => resource),
  ];
  return resources.flatMap(({ inputs, outputs }) => [inputs ?? {}, outputs ?? {}]);
}

function mapProperties(deployment: Deployment, change: (properties: Properties) => Properties): Deployment {
  const each = (resource: Resource): Resource =>
    tidy({
      ...resource,
      ...(resource.inputs && { inputs: sorted(change(resource.inputs)) as Properties }),
      ...(resource.outputs && { outputs: sorted(change(resource.outputs)) as Properties }),
    });
  return {
    ...deployment,
    ...(deployment.resources && { resources: deployment.resources.map(each) }),
    ...(deployment.pending_operations && {
      pending_operations: deployment.pending_operations.map(({ resource, type }) => ({
        resource: each(resource),
        type,
      })),
    }),
  };
}
