import { type Run } from '../cli/command';
import { CommandError } from '../errors';

/** `pulumi plugin ls`: the sandbox installs none, it finds providers on PATH. */
export const listPlugins: Run = async ({ flags, out }) => {
  if (flags.bool('json')) out('[]\n');
  else out('NAME  KIND  VERSION  SIZE  INSTALLED  LAST USED\n\nTOTAL plugin cache size: 0 B\n');
};

/**
 * `pulumi plugin install`: what is on PATH needs no installation; everything else cannot be
 * fetched.
 */
export const installPlugin: Run = async ({ args, env, err }) => {
  const { findOnPath } = await import('../plugins/find');
  const [kind, name, version] = args;
  if (!kind || !name) return;
  if (kind === 'resource' && findOnPath(`pulumi-resource-${name}`, env)) {
    return err(`warning: using pulumi-resource-${name} from $PATH at ${findOnPath(`pulumi-resource-${name}`, env)}\n`);
  }
  throw new CommandError(
    `[${kind} plugin ${name}-${version ?? ''}] downloading: the sandbox's engine installs no plugins; put pulumi-${kind}-${name} on PATH`,
  );
};
