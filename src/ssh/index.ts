/** SSH to the job's instance: keys, connections, waiting for the first one. */
export { generateHostKeyPair, generateLoginKeyPair, type SshKeyPair } from './keys';
export { loginKeyPair } from './key-reserve';
export { connect } from './connection';
export { waitForSsh, type WaitForSsh } from './wait';
export { quote } from './quote';
export { createStageRunner, type StageRunnerOptions } from './stage';
export { DEFAULT_INTERPRETER, installSupervisor } from './supervisor';
export * from './errors';
export type * from './types';
