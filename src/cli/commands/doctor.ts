import path from 'node:path';
import type { HostFacts } from '../../doctor/dependencies';
import { bad, warning, type Finding } from '../../doctor/finding';
import { ConfigurationError } from '../../errors';
import { readHostEnvironment } from '../../settings/environment';
import { checkSettings, notConfigured } from '../../settings/settings';
import type { Settings } from '../../settings/types';
import { unreadSettings } from '../../settings/unread';
import { jsonText, printableLines } from '../../printable';
import { fold } from '../prose';
import { columnsHere } from '../table';
import { defineCommand, type CommandContext } from '../command';
import { lastingPackage } from '../../host/installed-as';
import { counted } from '../../plural';

interface CommandLine {
  readonly config: string | undefined;
  readonly instance: string | undefined;
  readonly reach: readonly string[];
  readonly json: boolean;
}

const MARK = { good: 'ok ', bad: 'BAD', warning: '!  ' } as const;
/** Green, red, yellow; a heading is bold. */
const COLOUR = { good: 32, bad: 31, warning: 33 } as const;
const BOLD = 1;

export const doctorCommand = defineCommand<CommandLine>({
  command: 'doctor',
  describe: 'Look at every condition for a job to succeed, and name what is wrong',
  builder: (yargs) =>
    yargs.options({
      config: {
        type: 'string',
        describe: "The runner's config.toml (default: where gitlab-runner looks for it)",
      },
      instance: {
        type: 'string',
        describe: 'Start an instance of this profile (without a name: the default) for a minute, and look from there',
      },
      reach: {
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
        describe: 'With --instance: an address that jobs need too, such as https://repo.example.com',
      },
      json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' },
    }) as never,
  needs: undefined,
  async run(args, context) {
    const { config, json } = args;
    const { out } = context;
    const paint = painter(context.terminal, process.env);
    const tell = (finding: Finding): void => {
      if (!json) out(lines(finding, paint));
    };
    const group = (title: string): void => {
      if (!json) out(`${paint(title, BOLD)}\n`);
    };
    const { settings, problems } = checkSettings(process.env);
    const unconfigured = notConfigured(process.env);
    if (unconfigured) throw unconfigured;
    const condition = 'settings';
    const ofSettings = [
      ...problems.map((problem) =>
        bad(condition, problem, /missing/.test(problem) ? '`gitlab-spot init` asks for account and network.' : ''),
      ),
      ...unreadSettings(process.env).map((sentence) =>
        warning(
          condition,
          `${sentence}: it has no effect`,
          'Correct or remove it; docs/operating.md lists all settings.',
        ),
      ),
    ];
    ofSettings.forEach(tell);
    if (settings && args.instance !== undefined) return ofInstance(settings, args, context, tell);
    const findings = settings ? [...ofSettings, ...(await ofHost(settings, config, tell, group))] : ofSettings;
    if (json) out(`${jsonText(findings)}\n`);
    else out(`\n${summary(findings)}\n`);
    return findings.some(({ state }) => state === 'bad') ? 1 : 0;
  },
});

type Paint = (text: string, colour: number) => string;

/** Colour where a terminal has it (https://no-color.org). */
export function painter(terminal: boolean, { NO_COLOR, TERM }: Readonly<Record<string, string | undefined>>): Paint {
  if (!terminal || NO_COLOR || TERM === 'dumb') return (text) => text;
  return (text, colour) => `\x1b[${colour}m${text}\x1b[0m`;
}

function lines({ state, condition, detail, remedy }: Finding, paint: Paint): string {
  const said = `${paint(MARK[state], COLOUR[state])} ${printableLines(`${condition}: ${detail}`)}\n`;
  const then = remedy === '' ? '' : `      ${printableLines(remedy)}\n`;
  return fold(said, columnsHere(), 6) + fold(then, columnsHere());
}

function summary(findings: readonly Finding[]): string {
  const count = (state: Finding['state']): number => findings.filter((one) => one.state === state).length;
  return `${count('good')} OK, ${counted(count('warning'), 'warning')}, ${counted(count('bad'), 'error')}`;
}

async function ofHost(
  settings: Settings,
  config: string | undefined,
  onFinding: (finding: Finding) => void,
  onGroup: (title: string) => void,
): Promise<readonly Finding[]> {
  const [{ examine }, { examineDependencies }] = await Promise.all([
    import('../../doctor/examine'),
    import('../../doctor/dependencies'),
  ]);
  return examine({ ...examineDependencies(settings, factsOf(config)), onFinding, onGroup });
}

function factsOf(config: string | undefined): HostFacts {
  const { file, values } = readHostEnvironment(process.env);
  return {
    configFiles: config === undefined ? configFiles(values) : [config],
    configNamed: config !== undefined,
    hooks: path.join(lastingPackage(path.resolve(__dirname, '../..')), 'dist/executor'),
    envFile: file,
  };
}

async function ofInstance(
  settings: Settings,
  { config, instance = '', reach, json }: CommandLine,
  { out, warn: say, signal }: CommandContext,
  onFinding: (finding: Finding) => void,
): Promise<number> {
  const wrong = reach.find((one) => !URL.canParse(one) || !/^https?:/.test(one));
  if (wrong !== undefined)
    throw new ConfigurationError(
      `--reach must be a URL such as https://repo.example.com, but is ${JSON.stringify(wrong)}`,
    );
  const [{ examineInstance }, { addressesOf }, { instanceDependencies }, { runnerFacts }, { runnerConfiguration }] =
    await Promise.all([
      import('../../doctor/instance/examine'),
      import('../../doctor/instance/addresses'),
      import('../../composition/doctor'),
      import('../../doctor/dependencies'),
      import('../../doctor/runner'),
    ]);
  const { sections } = runnerConfiguration(runnerFacts(settings, factsOf(config)));
  const addresses = addressesOf(sections, settings, reach);
  const dependencies = { ...instanceDependencies(settings, { say, signal }), onFinding };
  const report = await examineInstance({ profile: instance, addresses }, dependencies);
  if (json) out(`${jsonText(report)}\n`);
  else out(`\n${summary(report.findings)}\n`);
  return report.findings.some(({ state }) => state === 'bad') ? 1 : 0;
}

/** As gitlab-runner looks for it: as root, and as anybody else. */
function configFiles({ CONFIG_FILE: named, HOME: home }: Readonly<Record<string, string>>): readonly string[] {
  if (named) return [named];
  return ['/etc/gitlab-runner/config.toml', ...(home ? [path.join(home, '.gitlab-runner/config.toml')] : [])];
}
