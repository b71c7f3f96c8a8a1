/**
 * `npm run sandbox -- start|stop|status|env|gitlab`: a sandbox in the background, for any shell,
 * runner or pulumi.
 */
import os from 'node:os';
import path from 'node:path';
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import {
  backgroundEnvironment,
  explain,
  exportLines,
  gitlabPort,
  purge,
  runningCloud,
  startInBackground,
  stopInBackground,
} from './background';
import { cloudControl } from './cloud/control';
import { polite, runMain } from './command-line';
import { serveGitLab } from './gitlab-command';
import { SandboxProblem, sharingNote } from './start';

const say = (text: string) => process.stdout.write(`${text}\n`);

function defaultDirectory(): string {
  const state = process.env['XDG_STATE_HOME'] || path.join(os.homedir(), '.local/state');
  return path.join(state, 'gitlab-spot-sandbox');
}

function needRunning(directory: string) {
  const running = runningCloud(directory);
  if (!running)
    throw new SandboxProblem(`no sandbox runs in ${directory}; start one with \`npm run sandbox -- start\``);
  return running;
}

async function start({ directory, real }: { directory: string; real: boolean }): Promise<void> {
  const sharing = await sharingNote();
  if (sharing !== undefined) say(`note: ${sharing}`);
  const already = runningCloud(directory);
  const running = already ?? (await startInBackground(directory, real));
  if (!already) await explain(directory);
  say(
    `${already ? 'already running' : 'running'}: http(s)://${running.info.endpoint}, process ${running.pid}, folder ${directory}`,
  );
  say('use it in a shell: eval "$(npm run --silent sandbox -- env)"');
}

async function stop({ directory, purge: remove }: { directory: string; purge: boolean }): Promise<void> {
  say((await stopInBackground(directory)) ? 'stopped' : 'was not running');
  if (remove) await purge(directory);
  else say(`its state stays in ${directory}; --purge removes it`);
}

async function status({ directory }: { directory: string }): Promise<void> {
  const running = needRunning(directory);
  const { instances, securityGroupIds, keyPairNames } = await cloudControl(running.info.endpoint).leftovers();
  say(
    `running: http(s)://${running.info.endpoint} (${running.info.region}), process ${running.pid}, folder ${directory}`,
  );
  say(`${instances.length} instances, ${securityGroupIds.length} security groups, ${keyPairNames.length} key pairs`);
  for (const one of instances)
    say(`  ${one.instanceId}  ${one.status}  ${one.instanceType}  ${one.zoneId}  ${one.address}`);
}

function env({
  directory,
  json,
  'provider-sleeps': sleeps,
}: {
  directory: string;
  json: boolean;
  'provider-sleeps'?: string | undefined;
}): void {
  const environment = backgroundEnvironment(directory, needRunning(directory), sleeps);
  process.stdout.write(json ? `${JSON.stringify(environment, null, 2)}\n` : exportLines(environment));
}

async function main(): Promise<number> {
  let code = 0;
  await polite(yargs(hideBin(process.argv)), 'npm run sandbox -- --help')
    .scriptName('npm run sandbox --')
    .usage('$0 <command>\n\nA simulated cloud in the background, and the environment with which other programs use it.')
    .option('directory', {
      type: 'string',
      describe: 'where its state lives',
      default: defaultDirectory(),
      coerce: (given: string) => path.resolve(given),
    })
    .command(
      'start',
      'starts it and waits until it answers',
      (args: Argv<{ directory: string }>) =>
        args.option('real', {
          type: 'boolean',
          default: false,
          describe: 'real programs found on PATH instead of the stand-ins',
        }),
      (args) => start(args),
    )
    .command(
      'stop',
      'stops it; its instances end',
      (args: Argv<{ directory: string }>) =>
        args.option('purge', { type: 'boolean', default: false, describe: 'its folder goes too' }),
      (args) => stop(args),
    )
    .command(
      'status',
      'says whether it runs, and what is in it',
      (args) => args,
      (args) => status(args),
    )
    .command(
      'env',
      'prints export lines for a shell',
      (args: Argv<{ directory: string }>) =>
        args.option('json', { type: 'boolean', default: false, describe: 'as JSON' }).option('provider-sleeps', {
          type: 'string',
          describe: "the stand-in provider's pauses, such as create=10000,delete=10000; left out: short ones",
        }),
      (args) => env(args),
    )
    .command(
      'gitlab [repo]',
      'a GitLab with one project, whose pipeline waits for a runner; in a terminal of its own',
      (args: Argv<{ directory: string }>) =>
        args
          .positional('repo', {
            type: 'string',
            describe: 'folder of a git repository with a .gitlab-ci.yml; left out: a small program of our own',
          })
          .option('verbose', { type: 'boolean', default: false, describe: "every job's log line by line as it comes" }),
      async ({ directory, repo, verbose }) => {
        needRunning(directory);
        code = await serveGitLab({ repo, port: gitlabPort(directory), verbose }, process.stdout);
      },
    )
    .demandCommand(1, 'say what to do: start, stop, status, env, or gitlab')
    .strict()
    .parseAsync();
  return code;
}

runMain('sandbox', main);
