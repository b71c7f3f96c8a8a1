import { type Command } from './command';
import { type Flags } from './flags';
import {
  GLOBAL,
  STACK,
  SHOW_SECRETS,
  JSON_OUTPUT,
  YES,
  CONFIG_FILE,
  UPDATE,
  PREVIEW,
  DESTROY,
  REFRESH,
} from './flag-sets';

const stackArg = { names: ['stack-name'], required: 0 };
const configFlags: Flags = {
  ...CONFIG_FILE,
  path: { kind: 'bool', usage: 'The key contains a path to a property in a map or list to get' },
};

const stack: Command = {
  name: 'stack',
  short: 'Manage stacks and view stack state',
  inherited: STACK,
  flags: {
    ...SHOW_SECRETS,
    'show-ids': { kind: 'bool', short: 'i', usage: "Display each resource's provider-assigned unique ID" },
    'show-urns': { kind: 'bool', short: 'u', usage: "Display each resource's Pulumi-assigned globally unique URN" },
    'show-name': { kind: 'bool', usage: 'Display only the stack name' },
  },
  load: async () => (await import('../commands/stack-show')).showStack,
  commands: [
    {
      name: 'ls',
      aliases: ['list'],
      short: 'List stacks',
      flags: {
        ...JSON_OUTPUT,
        all: { kind: 'bool', short: 'a', usage: 'List all stacks instead of just stacks for the current project' },
        project: { kind: 'string', short: 'p', usage: 'Filter returned stacks to those with a specific project name' },
        organization: {
          kind: 'string',
          short: 'o',
          usage: 'Filter returned stacks to those in a specific organization',
        },
        tag: { kind: 'string', short: 't', usage: 'Filter returned stacks to those in a specific tag' },
      },
      load: async () => (await import('../commands/stack-ls')).listStacks,
    },
    {
      name: 'init',
      aliases: ['new', 'create'],
      short: 'Create an empty stack with the given name, ready for updates',
      args: stackArg,
      flags: {
        'secrets-provider': {
          kind: 'string',
          usage: 'The type of the provider that should be used to encrypt and decrypt secrets',
        },
        'no-select': { kind: 'bool', usage: 'Do not select the stack' },
        'copy-config-from': { kind: 'string', usage: 'The name of the stack to copy existing config from' },
        teams: {
          kind: 'list',
          usage: 'A list of team names that should have permission to read and update this stack',
        },
      },
      load: async () => (await import('../commands/stack-init')).initStack,
    },
    {
      name: 'select',
      short: 'Switch the current workspace to the given stack',
      args: { names: ['stack'], required: 0 },
      flags: {
        create: { kind: 'bool', short: 'c', usage: 'If selected stack does not exist, create it' },
        'secrets-provider': { kind: 'string', usage: 'Use with --create flag' },
      },
      load: async () => (await import('../commands/stack-select')).selectStackCommand,
    },
    {
      name: 'unselect',
      short: 'Resets stack selection from the current workspace',
      load: async () => (await import('../commands/stack-select')).unselectStack,
    },
    {
      name: 'rm',
      aliases: ['remove', 'delete'],
      short: 'Remove a stack and its configuration',
      args: stackArg,
      flags: {
        ...YES,
        force: {
          kind: 'bool',
          short: 'f',
          usage: 'Forces deletion of the stack, leaving behind any resources managed by the stack',
        },
        'preserve-config': {
          kind: 'bool',
          usage: 'Do not delete the corresponding Pulumi.<stack-name>.yaml configuration file for the stack',
        },
        'remove-backups': { kind: 'bool', usage: 'Additionally remove backups of the stack, if using the DIY backend' },
      },
      load: async () => (await import('../commands/stack-rm')).removeStack,
    },
    {
      name: 'output',
      short: "Show a stack's output properties",
      args: { names: ['property-name'], required: 0 },
      flags: { ...JSON_OUTPUT, ...SHOW_SECRETS, shell: { kind: 'bool', usage: 'Emit output as a shell script' } },
      load: async () => (await import('../commands/stack-output')).stackOutput,
    },
    {
      name: 'history',
      aliases: ['hist'],
      short: 'Display history for a stack',
      flags: {
        ...JSON_OUTPUT,
        ...SHOW_SECRETS,
        'full-dates': { kind: 'bool', usage: 'Show full dates, instead of relative dates' },
        'page-size': { kind: 'int', usage: "Used with 'page' to control number of results returned" },
        page: { kind: 'int', usage: "Used with 'page-size' to paginate results" },
      },
      load: async () => (await import('../commands/stack-history')).stackHistory,
    },
    {
      name: 'export',
      short: "Export a stack's deployment to standard out",
      flags: {
        ...SHOW_SECRETS,
        file: { kind: 'string', usage: 'A filename to write stack output to' },
        version: { kind: 'string', usage: 'Previous stack version to export' },
      },
      load: async () => (await import('../commands/stack-transfer')).exportStack,
    },
    {
      name: 'import',
      short: 'Import a deployment from standard in into an existing stack',
      flags: {
        file: { kind: 'string', usage: 'A filename to read stack input from' },
        force: {
          kind: 'bool',
          short: 'f',
          usage: 'Force the import to occur, even if apparent errors are discovered beforehand',
        },
      },
      load: async () => (await import('../commands/stack-transfer')).importStack,
    },
    {
      name: 'rename',
      short: 'Rename an existing stack',
      args: { names: ['new-stack-name'], required: 1 },
      load: async () => (await import('../commands/stack-rename')).renameStack,
    },
    {
      name: 'tag',
      short: 'Manage stack tags',
      commands: ['get', 'ls', 'rm', 'set'].map((name) => ({
        name,
        short: `${name} stack tags`,
        flags: JSON_OUTPUT,
        args: { names: ['name', 'value'], required: 0 },
        load: async () => (await import('../commands/stack-tag')).stackTag(name),
      })),
    },
  ],
};

const config: Command = {
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
