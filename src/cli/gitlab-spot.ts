/**
 * The command `gitlab-spot`: what a person or a timer does on the runner host. One file a command
 * in commands/.
 */
import './current-folder';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { commands } from './commands';
import { namesFor, wordsToComplete } from './completion';

async function main(): Promise<void> {
  const typed = wordsToComplete(process.argv);
  const names = typed ? await namesFor(typed) : [];
  // Commands and options are yargs' own matter.
  if (names.length > 0) return void process.stdout.write(names.map((name) => `${name}\n`).join(''));
  const [first = '', second] = hideBin(process.argv).filter((word) => !word.startsWith('-'));
  const isCommand = commands.some(({ command }) => String(command).split(' ')[0] === first);
  await yargs(hideBin(process.argv))
    .scriptName('gitlab-spot')
    .usage('$0 <command>\n\nRuns GitLab CI jobs on throw-away spot instances of Alibaba Cloud.')
    .command([...commands])
    .option('verbose', { type: 'boolean', default: false, global: true, describe: 'Show where an error came from' })
    .completion('completion', 'Print a script for shell completion (add it to ~/.bashrc or ~/.zshrc)')
    .demandCommand(1, 'Name a command.')
    .strict()
    .recommendCommands()
    .alias('help', 'h')
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .epilogue(
      'Settings come from the environment and the env file (GITLAB_SPOT_ENV_FILE, default /etc/gitlab-spot/env).',
    )
    .fail((said, error) => {
      const message = inWords(said, isCommand ? `${first} ${second}` : first);
      process.stderr.write(
        `gitlab-spot: ${message ?? (error as Error | undefined)?.message}\nSee \`gitlab-spot ${isCommand ? `${first} ` : ''}--help\`.\n`,
      );
      process.exit(2);
    })
    .parseAsync();
}

/** yargs recommends without saying what was wrong, and counts missing words without naming them. */
function inWords(said: string | undefined, unknown: string): string | undefined {
  if (said?.startsWith('Did you mean')) return `Unknown command: ${unknown}. ${said}`;
  if (said?.startsWith('Not enough non-option')) return 'Incomplete: the help shows in <> what has to follow.';
  return said;
}

void main();
