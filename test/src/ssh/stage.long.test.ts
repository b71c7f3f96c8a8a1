import { BUSYBOX, WITHOUT_SETSID } from '../../support/ssh/machines';
import { describeStage } from '../../support/ssh/stage-cases';

for (const userland of [BUSYBOX, WITHOUT_SETSID]) describeStage('ssh2', userland);
