import { defineCommand } from '../command';

interface CommandLine {
  readonly file: string | undefined;
}

/** For whoever edits the page or the job's stack, and for its pipeline: asks no cloud, needs no account. */
export const checkCommand = defineCommand<CommandLine>({
  command: 'check [file]',
  describe: 'Whether an edited page of profiles is right: ends with 1 where it is not',
  builder: (yargs) =>
    yargs.positional('file', {
      type: 'string',
      describe: 'The page; left out: the one that jobs go by (GITLAB_SPOT_PROFILES_FILE)',
    }) as never,
  needs: { cloud: false },
  async run({ file }, { settings, out, warn }) {
    const { unbuiltEdit } = await import('../../engine/job-source');
    const { checkProfiles, readPage } = await import('../../settings/profiles');
    const checked = file ?? settings.profilesFile;
    const { page, problems } = checkProfiles(readPage(checked));
    if (!page) {
      warn(`${checked} is not right:`);
      problems.forEach((problem) => warn(`  ${problem}`));
      return 1;
    }
    const names = Object.keys(page.profiles);
    out(
      `${checked} is right: ${names.length} profiles (${names.join(', ')}), of which ${page.default} is the default.\n`,
    );
    const edit = file === undefined ? unbuiltEdit() : undefined;
    if (!edit) return 0;
    warn(`${edit.file} was edited after the build: jobs go by the one before. ${edit.remedy}`);
    return 1;
  },
});
