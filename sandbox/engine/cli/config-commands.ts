import { type Command } from './command';
import { JSON_OUTPUT, SHOW_SECRETS, STACK } from './flag-sets';

/** `pulumi config` and what is below it. */
export const config: Command = {
  name: 'config',
  short: 'Manage configuration',
  inherited: STACK,
  flags: { ...JSON_OUTPUT, ...SHOW_SECRETS },
  load: async () => (await import('../commands/config')).listConfig,
  commands: [
    {
      name: 'set',
      short: 'Set configuration value',
      args: { names: ['key', 'value'], required: 2 },
      flags: { secret: { kind: 'bool', usage: 'Encrypt the value instead of storing it in plaintext' } },
      load: async () => (await import('../commands/config')).setConfig,
    },
  ],
};
