/** SSH to the job's instance: keys, connections, waiting for the first one. */
export { generateKeyPair, type SshKeyPair } from './keys';
export { connect } from './connection';
export { waitForSsh, type WaitForSsh, type WaitOptions } from './wait';
export { quote, quoteAll } from './quote';
export { createStageRunner, type StageRunnerOptions } from './stage';
export { DEFAULT_INTERPRETER, installSupervisor } from './supervisor';
export * from './errors';
export type * from './types';
