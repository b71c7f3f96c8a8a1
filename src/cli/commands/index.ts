import type { CommandModule } from 'yargs';
import { auditCommand } from './audit';
import { boardCommand } from './board';
import { checkCommand } from './check';
import { costCommand } from './cost';
import { doctorCommand } from './doctor';
import { drainCommand } from './drain';
import { imageCommand } from './image';
import { initCommand } from './init';
import { jobsCommand } from './jobs';
import { metricsCommand } from './metrics';
import { notifyCommand } from './notify';
import { priceCommand } from './price';
import { ramPolicyCommand } from './ram-policy';
import { reapCommand } from './reap';
import { registerCommand } from './register';
import { sparesCommand } from './spares';
import { sshCommand } from './ssh';

/** Every command, in the order in which help lists them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has arguments of its own
export const commands: readonly CommandModule<any, any>[] = [
  initCommand,
  registerCommand,
  checkCommand,
  doctorCommand,
  imageCommand,
  jobsCommand,
  sparesCommand,
  sshCommand,
  reapCommand,
  drainCommand,
  auditCommand,
  costCommand,
  boardCommand,
  metricsCommand,
  notifyCommand,
  priceCommand,
  ramPolicyCommand,
];
