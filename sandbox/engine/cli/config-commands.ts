import { type Command } from './command';
import { CONFIG_FILE, JSON_OUTPUT, SHOW_SECRETS, STACK } from './flag-sets';
import { type Flags } from './flags';

const configFlags: Flags = {
  ...CONFIG_FILE,
  path: { kind: 'bool', usage: 'The key contains a path to a property in a map or list to get' },
};

/** `pulumi config` and what is below it. */
export const config: Command = {
  name: 'config',
  short: 'Manage configuration',
  inherited: { ...STACK, ...CONFIG_FILE },
  flags: {
    ...JSON_OUTPUT,
    ...SHOW_SECRETS,
    open: { kind: 'bool', usage: 'Open and resolve any environments listed in the stack configuration' },
  },
  load: async () => (await import('../commands/config-read')).listConfig,
  commands: [
    {
      name: 'get',
      short: 'Get a single configuration value',
      args: { names: ['key'], required: 1 },
      flags: {
        ...configFlags,
        ...JSON_OUTPUT,
        open: { kind: 'bool', usage: 'Open and resolve any environments', hidden: true },
      },
      load: async () => (await import('../commands/config-read')).getConfig,
    },
    {
      name: 'set',
      short: 'Set configuration value',
      args: { names: ['key', 'value'], required: 1 },
      flags: {
        ...configFlags,
        secret: { kind: 'bool', usage: 'Encrypt the value instead of storing it in plaintext' },
        plaintext: { kind: 'bool', usage: 'Save the value as plaintext (unencrypted)' },
        type: { kind: 'string', usage: 'Save the value as the given type' },
      },
      load: async () => (await import('../commands/config-write')).setConfig,
    },
    {
      name: 'set-all',
      short: 'Set multiple configuration values',
      flags: {
        ...configFlags,
        secret: { kind: 'list', usage: 'Marks a value as secret to be encrypted' },
        plaintext: { kind: 'list', usage: 'Marks a value as plaintext (unencrypted)' },
        json: { kind: 'string', usage: 'Read values from a JSON string in the format of `pulumi config --json`' },
      },
      load: async () => (await import('../commands/config-write')).setAllConfig,
    },
    {
      name: 'rm',
      aliases: ['remove'],
      short: 'Remove configuration value',
      args: { names: ['key'], required: 1 },
      flags: configFlags,
      load: async () => (await import('../commands/config-write')).removeConfig,
    },
    {
      name: 'rm-all',
      short: 'Remove multiple configuration values',
      args: { names: ['key...'], required: 0 },
      flags: configFlags,
      load: async () => (await import('../commands/config-write')).removeAllConfig,
    },
    {
      name: 'refresh',
      short: 'Update the local configuration based on the most recent deployment of the stack',
      flags: {
        force: {
          kind: 'bool',
          short: 'f',
          usage: 'Overwrite configuration file, if it exists, without creating a backup',
        },
      },
      load: async () => (await import('../commands/config-write')).refreshConfig,
    },
  ],
};
