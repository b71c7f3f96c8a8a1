import { statSync } from 'node:fs';
import { counted } from '../../plural';
import type { Settings } from '../../settings/types';
import { defineCommand } from '../command';
import { fold } from '../prose';
import { columnsHere } from '../table';

interface CommandLine {
  readonly file: string | undefined;
}

/** For whoever edits the page or the job's stack, and for its pipeline: asks no cloud, needs no account. */
export const checkCommand = defineCommand<CommandLine>({
  command: 'check [file]',
  describe: 'Whether edited profiles and stacks/job.ts are right: ends with 1 where they are not',
  builder: (yargs) =>
    yargs.positional('file', {
      type: 'string',
      describe: 'A page of profiles; left out: what jobs go by (GITLAB_SPOT_PROFILES_FILE, stacks/job.ts)',
    }) as never,
  needs: { cloud: false },
  async run({ file }, { settings, out, warn }) {
    const { checkProfiles, readPage } = await import('../../settings/profiles');
    const checked = file ?? settings.profilesFile;
    const { page, problems } = checkProfiles(readPage(checked));
    if (!page) {
      warn(`${checked} is not right:`);
      problems.forEach((problem) => warn(`  ${problem}`));
      return 1;
    }
    const names = Object.keys(page.profiles);
    const found = `${checked} is right: ${counted(names.length, 'profile')} (${names.join(', ')}), of which ${page.default} is the default.\n`;
    out(fold(found, columnsHere()));
    return file === undefined ? checkJobStack(settings, out, warn) : 0;
  },
});

/**
 * The types of an edited stacks/job.ts. What is found counts at once, where jobs run as this user;
 * else the next job finds it for itself.
 */
async function checkJobStack(
  { stateDir }: Pick<Settings, 'stateDir'>,
  out: (text: string) => void,
  warn: (line: string) => void,
): Promise<number> {
  const { jobProgram } = await import('../../engine/job-program');
  const isOurs = statSync(stateDir, { throwIfNoEntry: false })?.uid === process.getuid?.();
  const { source, problems, goesBy } = await jobProgram({ stateDir: isOurs ? stateDir : undefined, log: warn });
  if (problems.length === 0) {
    const counts = source.edited ? 'is right, and counts from the next job on' : 'is the one that was installed';
    out(fold(`${source.file} ${counts}.\n`, columnsHere()));
    return 0;
  }
  warn(`${source.file} is not right; jobs go by ${goesBy}:`);
  problems.forEach((problem) => warn(`  ${problem}`));
  return 1;
}
