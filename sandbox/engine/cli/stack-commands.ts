import { type Command } from './command';
import { JSON_OUTPUT, SHOW_SECRETS, STACK, YES } from './flag-sets';

const stackArg = { names: ['stack-name'], required: 0 };

/** `pulumi stack` and what is below it. */
export const stack: Command = {
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
