import { type Command } from './command';
import { config } from './config-commands';
import { DESTROY, GLOBAL, JSON_OUTPUT, PREVIEW, REFRESH, STACK, UPDATE, YES } from './flag-sets';
import { stack } from './stack-commands';

const stackArg = { names: ['stack-name'], required: 0 };
const update = (kind: 'update' | 'preview' | 'refresh' | 'destroy') => async () =>
  (await import('../commands/update')).updateCommand(kind);

/** Every command of the CLI. */
export const ROOT: Command = {
  name: 'pulumi',
  short: 'Pulumi - Modern Infrastructure as Code (stand-in of the sandbox)',
  inherited: GLOBAL,
  load: async () => (await import('../commands/misc')).showHelp,
  commands: [
    {
      name: 'cancel',
      short: "Cancel a stack's currently running update, if any",
      args: stackArg,
      flags: { ...STACK, ...YES },
      load: async () => (await import('../commands/misc')).cancel,
    },
    config,
    {
      name: 'destroy',
      aliases: ['down', 'dn'],
      short: 'Destroy all existing resources in the stack',
      flags: DESTROY,
      load: update('destroy'),
    },
    {
      name: 'login',
      short: 'Log in to the Pulumi Cloud',
      args: { names: ['url'], required: 0 },
      flags: {
        local: { kind: 'bool', short: 'l', usage: 'Use Pulumi in local-only mode' },
        'cloud-url': { kind: 'string', short: 'c', usage: 'A cloud URL to log in to' },
      },
      load: async () => (await import('../commands/login')).login,
    },
    {
      name: 'logout',
      short: 'Log out of the Pulumi Cloud',
      args: { names: ['url'], required: 0 },
      flags: {
        all: { kind: 'bool', usage: 'Logout of all backends' },
        local: { kind: 'bool', short: 'l', usage: 'Log out of using local mode' },
      },
      load: async () => (await import('../commands/login')).logout,
    },
    {
      name: 'plugin',
      short: 'Manage language and resource provider plugins',
      commands: [
        {
          name: 'ls',
          aliases: ['list'],
          short: 'List plugins',
          flags: {
            ...JSON_OUTPUT,
            project: { kind: 'bool', short: 'p', usage: 'List only the plugins used by the current project' },
          },
          load: async () => (await import('../commands/plugin')).listPlugins,
        },
        {
          name: 'install',
          short: 'Install one or more plugins',
          args: { names: ['kind', 'name', 'version'], required: 0 },
          flags: {
            server: { kind: 'string', usage: 'A URL to download plugins from' },
            exact: { kind: 'bool', usage: 'Force installation of an exact version match' },
            reinstall: { kind: 'bool', usage: 'Reinstall a plugin even if it already exists' },
            file: { kind: 'string', short: 'f', usage: 'Install a plugin from a binary, folder or tarball' },
          },
          load: async () => (await import('../commands/plugin')).installPlugin,
        },
        {
          name: 'rm',
          short: 'Remove one or more plugins',
          args: { names: ['kind', 'name', 'version'], required: 0 },
          flags: { ...YES, all: { kind: 'bool', short: 'a', usage: 'Remove all plugins' } },
          load: async () => (await import('../commands/plugin')).removePlugin,
        },
      ],
    },
    {
      name: 'preview',
      aliases: ['pre'],
      short: "Show a preview of updates to a stack's resources",
      flags: PREVIEW,
      load: update('preview'),
    },
    { name: 'refresh', short: 'Refresh the resources in a stack', flags: REFRESH, load: update('refresh') },
    stack,
    {
      name: 'up',
      aliases: ['update', 'upgrade'],
      short: 'Create or update the resources in a stack',
      args: { names: ['template'], required: 0 },
      flags: UPDATE,
      load: update('update'),
    },
    {
      name: 'version',
      short: "Print Pulumi's version number",
      load: async () => (await import('../commands/version')).version,
    },
    {
      name: 'whoami',
      short: 'Display the current logged-in user',
      flags: { ...JSON_OUTPUT, verbose: { kind: 'bool', short: 'v', usage: 'Print detailed whoami information' } },
      load: async () => (await import('../commands/misc')).whoami,
    },
    {
      name: 'help',
      short: 'Help about any command',
      args: { names: ['command...'], required: 0 },
      load: async () => (await import('../commands/misc')).showHelp,
    },
  ],
};
