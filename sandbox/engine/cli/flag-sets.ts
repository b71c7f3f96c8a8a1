import { type Flags } from './flags';

export const STACK: Flags = {
  stack: { kind: 'string', short: 's', usage: 'The name of the stack to operate on. Defaults to the current stack' },
};
export const JSON_OUTPUT: Flags = {
  json: { kind: 'bool', short: 'j', usage: 'Emit output as JSON' },
  output: { kind: 'string', usage: 'Output format: default or json', hidden: true },
};
export const SHOW_SECRETS: Flags = { 'show-secrets': { kind: 'bool', usage: 'Display secrets in plaintext' } };
export const YES: Flags = { yes: { kind: 'bool', short: 'y', usage: 'Skip confirmation prompts, and proceed anyway' } };
export const CONFIG_FILE: Flags = {
  'config-file': {
    kind: 'string',
    usage: 'Use the configuration values in the specified file rather than detecting the file name',
  },
};

export const GLOBAL: Flags = {
  color: { kind: 'string', usage: 'Colorize output. Choices are: always, never, raw, auto' },
  cwd: { kind: 'string', short: 'C', usage: 'Run pulumi as if it had been started in another directory' },
  'disable-integrity-checking': { kind: 'bool', usage: 'Disable integrity checking of checkpoint files' },
  emoji: { kind: 'bool', short: 'e', usage: 'Enable emojis in the output' },
  'fully-qualify-stack-names': { kind: 'bool', short: 'Q', usage: 'Show fully-qualified stack names' },
  help: { kind: 'bool', short: 'h', usage: 'Help for a command' },
  logflow: { kind: 'bool', usage: 'Flow log settings to child processes (like plugins)' },
  logtostderr: { kind: 'bool', usage: 'Log to stderr instead of to files' },
  memprofilerate: { kind: 'int', usage: 'Memory profile rate' },
  'non-interactive': { kind: 'bool', usage: 'Disable interactive mode for all commands' },
  'otel-traces': { kind: 'string', usage: 'Export OpenTelemetry traces to the specified endpoint' },
  profiling: { kind: 'string', usage: 'Emit CPU and memory profiles' },
  tracing: { kind: 'string', usage: 'Emit tracing to the specified endpoint' },
  verbose: { kind: 'int', short: 'v', usage: 'Enable verbose logging (e.g., v=3); anything >3 is very verbose' },
};

/** What every command that walks the resources takes. */
const OPERATION: Flags = {
  ...STACK,
  ...CONFIG_FILE,
  config: { kind: 'list', short: 'c', usage: 'Config to use during the operation and save to the stack config file' },
  'config-path': { kind: 'bool', usage: 'Config keys contain a path to a property in a map or list to set' },
  debug: { kind: 'bool', short: 'd', usage: 'Print detailed debugging output during resource operations' },
  diff: { kind: 'bool', usage: 'Display operation as a rich diff showing the overall change' },
  json: { kind: 'bool', short: 'j', usage: 'Serialize the operation as JSON' },
  message: { kind: 'string', short: 'm', usage: 'Optional message to associate with the operation' },
  parallel: {
    kind: 'int',
    short: 'p',
    usage: 'Allow P resource operations to run in parallel at once (1 for no parallelism)',
  },
  exclude: { kind: 'list', usage: 'Specify a resource URN to ignore' },
  'exclude-dependents': {
    kind: 'bool',
    usage: 'Allows ignoring of dependent targets discovered but not specified in --exclude list',
  },
  target: { kind: 'list', short: 't', usage: 'Specify a single resource URN; other resources will not be touched' },
  'target-dependents': {
    kind: 'bool',
    usage: 'Allows dependent targets discovered but not specified in --target list',
  },
  'show-config': { kind: 'bool', usage: 'Show configuration keys and variables' },
  'show-full-output': { kind: 'bool', usage: 'Display full length of inputs & outputs' },
  'show-replacement-steps': {
    kind: 'bool',
    usage: 'Show detailed resource replacement creates and deletes instead of a single step',
  },
  'show-sames': { kind: 'bool', usage: "Show resources that don't need be updated because they haven't changed" },
  'show-reads': { kind: 'bool', usage: 'Show resources that are being read in' },
  'show-secrets': { kind: 'bool', usage: 'Show secret outputs in the CLI output' },
  'skip-config-validation': {
    kind: 'bool',
    usage: 'Skip validation of stack config values against the project config schema',
  },
  'skip-plugin-pre-install': { kind: 'bool', usage: 'Skip the up-front provider plugin install step' },
  'suppress-outputs': {
    kind: 'bool',
    usage: 'Suppress display of stack outputs (in case they contain sensitive values)',
  },
  'suppress-permalink': { kind: 'string', bare: 'false', usage: 'Suppress display of the state permalink' },
  'suppress-progress': { kind: 'bool', usage: 'Suppress display of periodic progress dots' },
  urns: { kind: 'bool', usage: 'Display full URNs instead of short resource names' },
  neo: { kind: 'bool', usage: 'No effect', hidden: true },
  'ignore-protect': { kind: 'bool', usage: 'Ignore the protect resource option for this operation' },
  'run-program': { kind: 'bool', usage: 'Run the program to determine up-to-date state for providers' },
  'attach-debugger': { kind: 'list', bare: 'program', usage: 'Enable the ability to attach a debugger', hidden: true },
  'policy-pack': { kind: 'list', usage: 'Run one or more policy packs', hidden: true },
  'policy-pack-config': { kind: 'list', usage: 'Path to the config of a policy pack', hidden: true },
  'override-env': { kind: 'list', usage: 'Override an imported environment', hidden: true },
  // What the Automation API adds.
  client: { kind: 'string', usage: 'The address of an existing language runtime host to connect to', hidden: true },
  'exec-kind': { kind: 'string', usage: 'How the command is run', hidden: true },
  'exec-agent': { kind: 'string', usage: 'Who runs the command', hidden: true },
  'event-log': { kind: 'string', usage: 'Log events to a file at this path, or to tcp://ADDRESS', hidden: true },
};

const CONFIRMED: Flags = {
  yes: { kind: 'bool', short: 'y', usage: 'Automatically approve and perform the operation after previewing it' },
  'skip-preview': { kind: 'bool', short: 'f', usage: 'Do not calculate a preview before performing the operation' },
  'preview-only': { kind: 'bool', usage: "Only show a preview, but don't perform the operation itself" },
};

const refreshFirst: Flags = {
  refresh: {
    kind: 'string',
    short: 'r',
    bare: 'true',
    usage: "Refresh the state of the stack's resources before this update",
  },
};
const continueOnError: Flags = {
  'continue-on-error': { kind: 'bool', usage: 'Continue updating resources even if an error is encountered' },
};
const expectNoChanges: Flags = {
  'expect-no-changes': { kind: 'bool', usage: 'Return an error if any changes occur during this operation' },
};
const replacing: Flags = {
  replace: { kind: 'list', usage: 'Specify a single resource URN to replace' },
  'target-replace': { kind: 'list', usage: 'Specify a single resource URN to replace; others will not be updated' },
};

export const UPDATE: Flags = {
  ...OPERATION,
  ...CONFIRMED,
  ...refreshFirst,
  ...continueOnError,
  ...expectNoChanges,
  ...replacing,
  plan: { kind: 'string', usage: 'Path to a plan file to use for the update', hidden: true },
  strict: { kind: 'bool', usage: 'Enable strict plan behavior', hidden: true },
  'secrets-provider': {
    kind: 'string',
    usage: 'The type of the provider that should be used to encrypt and decrypt secrets',
  },
  'show-policy-remediations': { kind: 'bool', usage: 'Show per-resource policy remediation details', hidden: true },
};
export const PREVIEW: Flags = {
  ...OPERATION,
  ...refreshFirst,
  ...expectNoChanges,
  ...replacing,
  exclude: { kind: 'list', short: 'x', usage: 'Specify a resource URN to ignore' },
  'import-file': {
    kind: 'string',
    usage: 'Save any creates seen during the preview into an import file',
    hidden: true,
  },
  'save-plan': { kind: 'string', usage: 'Save the operations proposed by the preview to a plan file', hidden: true },
  'show-policy-remediations': { kind: 'bool', usage: 'Show per-resource policy remediation details', hidden: true },
};
export const REFRESH: Flags = {
  ...OPERATION,
  ...CONFIRMED,
  ...expectNoChanges,
  exclude: { kind: 'list', short: 'x', usage: 'Specify a resource URN to ignore' },
  'clear-pending-creates': { kind: 'bool', usage: 'Clear all pending creates, dropping them from the state' },
  'import-pending-creates': {
    kind: 'list',
    usage: 'A list of form [[URN ID]...] describing the provider IDs of pending creates',
  },
  'skip-pending-creates': { kind: 'bool', usage: 'Skip importing pending creates in interactive mode' },
};
export const DESTROY: Flags = {
  ...OPERATION,
  ...CONFIRMED,
  ...refreshFirst,
  ...continueOnError,
  exclude: { kind: 'list', short: 'x', usage: 'Specify a resource URN to ignore' },
  'exclude-protected': { kind: 'bool', usage: 'Do not destroy protected resources. Destroy all other resources.' },
  remove: {
    kind: 'bool',
    usage: 'Remove the stack and its config file after all resources in the stack have been deleted',
  },
};
