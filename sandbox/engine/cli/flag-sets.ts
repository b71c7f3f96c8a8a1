import { type Flags } from './flags';

export const STACK: Flags = {
  stack: { kind: 'string', short: 's', usage: 'The name of the stack to operate on. Defaults to the current stack' },
};
export const JSON_OUTPUT: Flags = { json: { kind: 'bool', short: 'j', usage: 'Emit output as JSON' } };
export const SHOW_SECRETS: Flags = { 'show-secrets': { kind: 'bool', usage: 'Display secrets in plaintext' } };
export const YES: Flags = { yes: { kind: 'bool', short: 'y', usage: 'Skip confirmation prompts, and proceed anyway' } };

export const GLOBAL: Flags = {
  color: { kind: 'string', usage: 'Colorize output. Choices are: always, never, raw, auto' },
  cwd: { kind: 'string', short: 'C', usage: 'Run pulumi as if it had been started in another directory' },
  help: { kind: 'bool', short: 'h', usage: 'Help for a command' },
  'non-interactive': { kind: 'bool', usage: 'Disable interactive mode for all commands' },
};

/** What every command that walks the resources takes. */
export const OPERATION: Flags = {
  ...STACK,
  // What the Automation API adds.
  client: { kind: 'string', usage: 'The address of an existing language runtime host to connect to', hidden: true },
  'exec-kind': { kind: 'string', usage: 'How the command is run', hidden: true },
  'event-log': { kind: 'string', usage: 'Log events to a file at this path, or to tcp://ADDRESS', hidden: true },
};

/** What those that change something take as well. */
export const CHANGE: Flags = {
  ...OPERATION,
  yes: { kind: 'bool', short: 'y', usage: 'Automatically approve and perform the operation after previewing it' },
  'skip-preview': { kind: 'bool', short: 'f', usage: 'Do not calculate a preview before performing the operation' },
};
