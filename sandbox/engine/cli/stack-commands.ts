import { type Command } from './command';
import { JSON_OUTPUT, SHOW_SECRETS, STACK, YES } from './flag-sets';

const stackArg = { names: ['stack-name'], required: 0 };

/** What is below `pulumi stack`. */
export const stack: Command = {
  name: 'stack',
  short: 'Manage stacks and view stack state',
  inherited: STACK,
  commands: [
    {
      name: 'ls',
      short: 'List stacks',
      flags: {
        ...JSON_OUTPUT,
        all: { kind: 'bool', short: 'a', usage: 'List all stacks instead of just stacks for the current project' },
      },
      load: async () => (await import('../commands/stack-ls')).listStacks,
    },
    {
      name: 'init',
      short: 'Create an empty stack with the given name, ready for updates',
      args: stackArg,
      flags: { 'no-select': { kind: 'bool', usage: 'Do not select the stack' } },
      load: async () => (await import('../commands/stack-init')).initStack,
    },
    {
      name: 'select',
      short: 'Switch the current workspace to the given stack',
      args: { names: ['stack'], required: 0 },
      load: async () => (await import('../commands/stack-select')).selectStackCommand,
    },
    {
      name: 'rm',
      short: 'Remove a stack and its configuration',
      args: stackArg,
      flags: {
        ...YES,
        force: {
          kind: 'bool',
          short: 'f',
          usage: 'Forces deletion of the stack, leaving behind any resources managed by the stack',
        },
        'remove-backups': { kind: 'bool', usage: 'Additionally remove backups of the stack, if using the DIY backend' },
      },
      load: async () => (await import('../commands/stack-rm')).removeStack,
    },
    {
      name: 'output',
      short: "Show a stack's output properties",
      args: { names: ['property-name'], required: 0 },
      flags: { ...JSON_OUTPUT, ...SHOW_SECRETS },
      load: async () => (await import('../commands/stack-output')).stackOutput,
    },
    {
      name: 'history',
      short: 'Display history for a stack',
      flags: {
        ...JSON_OUTPUT,
        ...SHOW_SECRETS,
        'page-size': { kind: 'int', usage: "Used with 'page' to control number of results returned" },
        page: { kind: 'int', usage: "Used with 'page-size' to paginate results" },
      },
      load: async () => (await import('../commands/stack-history')).stackHistory,
    },
    {
      name: 'export',
      short: "Export a stack's deployment to standard out",
      load: async () => (await import('../commands/stack-export')).exportStack,
    },
  ],
};
