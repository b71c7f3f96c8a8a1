import { type Command } from './command';
import { config } from './config-commands';
import { CHANGE, GLOBAL, JSON_OUTPUT, OPERATION, STACK, YES } from './flag-sets';
import { stack } from './stack-commands';

const stackArg = { names: ['stack-name'], required: 0 };
const update = (kind: 'update' | 'preview' | 'refresh' | 'destroy') => async () =>
  (await import('../commands/update')).updateCommand(kind);

/** Every command of the CLI. */
export const ROOT: Command = {
  name: 'pulumi',
  short: 'Pulumi - Modern Infrastructure as Code (stand-in of the sandbox)',
  inherited: GLOBAL,
  commands: [
    {
      name: 'cancel',
      short: "Cancel a stack's currently running update, if any",
      args: stackArg,
      flags: { ...STACK, ...YES },
      load: async () => (await import('../commands/cancel')).cancel,
    },
    config,
    {
      name: 'destroy',
      short: 'Destroy all existing resources in the stack',
      flags: CHANGE,
      load: update('destroy'),
    },
    {
      name: 'login',
      short: 'Log in to the Pulumi Cloud',
      args: { names: ['url'], required: 0 },
      load: async () => (await import('../commands/login')).login,
    },
    {
      name: 'plugin',
      short: 'Manage language and resource provider plugins',
      commands: [
        {
          name: 'ls',
          short: 'List plugins',
          flags: JSON_OUTPUT,
          load: async () => (await import('../commands/plugin')).listPlugins,
        },
        {
          name: 'install',
          short: 'Install one or more plugins',
          args: { names: ['kind', 'name', 'version'], required: 0 },
          load: async () => (await import('../commands/plugin')).installPlugin,
        },
      ],
    },
    {
      name: 'preview',
      short: "Show a preview of updates to a stack's resources",
      flags: OPERATION,
      load: update('preview'),
    },
    { name: 'refresh', short: 'Refresh the resources in a stack', flags: CHANGE, load: update('refresh') },
    stack,
    {
      name: 'up',
      short: 'Create or update the resources in a stack',
      flags: CHANGE,
      load: update('update'),
    },
    {
      name: 'version',
      short: "Print Pulumi's version number",
      load: async () => (await import('../commands/version')).version,
    },
  ],
};
