import { BUSYBOX, GNU, WITHOUT_SETSID } from '../../support/ssh/machines';
import { describeStage } from '../../support/ssh/stage-cases';

describeStage('sshd', GNU);
for (const userland of [BUSYBOX, WITHOUT_SETSID]) describeStage('ssh2', userland);
