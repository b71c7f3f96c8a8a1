import path from 'node:path';
import {
  expiryOf,
  HOOK_FILES,
  HOOKS,
  parseConfig,
  type CustomSection,
  type RunnerConfig,
  type RunnerSection,
} from '../register/config-file';
import { isOutOfReach, timeouts } from '../register/section';
import type { Settings } from '../settings/types';
import { bad, good, warning, type Finding } from './finding';
import { CONDITION, globalFindings, REGISTER } from './runner-globals';
import { copyFindings, sameRunners, type SameRunner } from './same-runner';

/** gitlab-runner's configuration, as far as jobs of ours depend on it. */
export interface RunnerFacts {
  /** Where it was looked for; the first that is there counts. */
  readonly files: readonly string[];
  /** Somebody named the file: then it must be there. */
  readonly named: boolean;
  /** Undefined: not there. @throws the system's error */
  readonly read: (file: string) => string | undefined;
  readonly exists: (file: string) => boolean;
  /** The folder that holds this installation's hooks. */
  readonly hooks: string;
  /** The env file that these settings come from; undefined: none. */
  readonly envFile: string | undefined;
  readonly settings: Pick<Settings, 'limits' | 'cleanup' | 'cloud'>;
}

export interface RunnerLook {
  readonly findings: readonly Finding[];
  /** Of each runner whose jobs run by our hooks, its first one. */
  readonly sections: readonly RunnerSection[];
  /** Jobs of ours at the same time; undefined: no section is ours. */
  readonly concurrency: number | undefined;
}

/** gitlab-runner's own, where config.toml says nothing. Seconds. */
const DEFAULTS = { graceful: 600, exec: 3600 };
/** After a job's timeout, until cleanup begins: a hook that ends later is cut off. Seconds. */
const CLEANUP_BEGINS = 300;

/** Looks at config.toml. Never throws. */
export function runnerConfiguration(facts: RunnerFacts): RunnerLook {
  const nothing = (...findings: Finding[]): RunnerLook => ({ findings, sections: [], concurrency: undefined });
  let file: string | undefined;
  let text: string | undefined;
  try {
    for (file of facts.files) if ((text = facts.read(file)) !== undefined) break;
  } catch (error) {
    return nothing(
      bad(
        CONDITION,
        `${file} can't be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
        'Run doctor as the user that gitlab-runner runs as, or name another file with --config.',
      ),
    );
  }
  if (file === undefined || text === undefined)
    return nothing(
      (facts.named ? bad : warning)(
        CONDITION,
        `there is none at ${facts.files.join(' or ')}: no runner of this host takes jobs`,
        'Run `gitlab-spot register`, or name the file with --config.',
      ),
    );
  let config: RunnerConfig;
  try {
    config = parseConfig(text, file);
  } catch (error) {
    return nothing(bad(CONDITION, (error as Error).message, 'Fix the file.'));
  }
  const folder = path.join(path.dirname(file), 'certs');
  const sections = (config.runners ?? [])
    .filter((section) => isOurs(section, facts))
    .map((section) => withDefaultCa(section, folder, facts.exists));
  if (sections.length === 0) return nothing(noSection(file, config));
  const runners = sameRunners(sections);
  const findings = [...runners.flatMap((runner) => runnerFindings(runner, facts)), ...globalFindings(config, file)];
  const concurrency = runners.reduce(
    (sum, { first: { limit } }) => sum + (limit === undefined || limit === 0 ? (config.concurrent ?? 1) : limit),
    0,
  );
  const wrong = findings.length > 0;
  return {
    sections: runners.map(({ first }) => first),
    concurrency: Math.min(concurrency, config.concurrent ?? 1),
    findings: wrong
      ? findings
      : [good(CONDITION, `${file}: ${runners.map((runner) => nameAndPace(runner, config)).join(', ')}`)],
  };
}

/** gitlab-runner asks once in each check_interval for each section. */
function nameAndPace({ first: { name = '(no name)' }, copies }: SameRunner, { check_interval }: RunnerConfig): string {
  const sections = copies.length + 1;
  if (sections === 1) return name;
  return `${name} (${sections} sections: asks for jobs every ${Math.round(((check_interval ?? 0) * 1000) / sections)} ms)`;
}

/**
 * The runner takes `certs/HOST.crt` beside its config.toml, where the section names no other file.
 */
function withDefaultCa(section: RunnerSection, folder: string, exists: RunnerFacts['exists']): RunnerSection {
  const { url = '', 'tls-ca-file': named } = section;
  if (named || !URL.canParse(url)) return section;
  const file = path.join(folder, `${new URL(url).hostname}.crt`);
  return exists(file) ? { ...section, 'tls-ca-file': file } : section;
}

/** A section whose prepare hook is named like ours, even where the file is not there. */
function isOurs({ executor, custom }: RunnerSection, { hooks }: RunnerFacts): boolean {
  if (custom === undefined) return false;
  const scripts = HOOKS.map((hook) => scriptOf(custom, hook) ?? '');
  const known = scripts.some((script) => script.startsWith(hooks) || /\/executor\/\w+(\.js)?$/.test(script));
  return known || (executor === 'custom' && scripts.some((script) => script.includes('gitlab-spot')));
}

function noSection(file: string, { runners = [] }: RunnerConfig): Finding {
  const others = runners.map(({ name = '(no name)', executor = '?' }) => `${name} (${executor})`).join(', ');
  return bad(
    CONDITION,
    `${file} has no runner whose custom executor is gitlab-spot${others === '' ? '' : `, only ${others}`}`,
    'Run `gitlab-spot register`.',
  );
}

/**
 * config.js and so on: among the arguments, or the program itself. prepare.js is named by older
 * files, and works.
 */
function scriptOf(custom: CustomSection, hook: (typeof HOOKS)[number]): string | undefined {
  return [...(custom[`${hook}_args`] ?? []), custom[`${hook}_exec`] ?? ''].find((word) =>
    [HOOK_FILES[hook], `${hook}.js`].includes(path.basename(word)),
  );
}

function runnerFindings(runner: SameRunner, facts: RunnerFacts): Finding[] {
  const { name = '(no name)', executor, custom = {}, url, clone_url: cloneUrl } = runner.first;
  const condition = `runner ${name}`;
  if (executor !== 'custom')
    return [bad(condition, `its executor is ${executor ?? 'not set'}, not custom`, 'Set executor = "custom".')];
  return [
    ...hookFindings(condition, custom, facts),
    ...timeoutFindings(condition, custom, facts.settings),
    ...addressFindings(condition, url, cloneUrl, facts.settings),
    ...expiryFindings(condition, expiryOf(runner.first)),
    ...copyFindings(runner, condition, REGISTER),
  ];
}

function hookFindings(condition: string, custom: CustomSection, facts: RunnerFacts): Finding[] {
  const missing = HOOKS.filter((hook) => scriptOf(custom, hook) === undefined);
  if (missing.length > 0)
    return [
      bad(condition, `it lacks ${missing.map((hook) => `${hook}_exec with ${HOOK_FILES[hook]}`).join(', ')}`, REGISTER),
    ];
  const scripts = HOOKS.map((hook) => scriptOf(custom, hook)!);
  const words = HOOKS.flatMap((hook) => [custom[`${hook}_exec`] ?? '', ...(custom[`${hook}_args`] ?? [])]);
  const files = [...new Set([...words.filter((word) => path.isAbsolute(word)), ...scripts])];
  const gone = files.filter((file) => !facts.exists(file));
  if (gone.length > 0) return [bad(condition, `it starts ${gone.join(', ')}, which can't be found`, REGISTER)];
  const findings: Finding[] = [];
  const elsewhere = scripts.find((script) => path.dirname(script) !== facts.hooks);
  if (elsewhere !== undefined)
    findings.push(
      warning(
        condition,
        `its hooks are in ${path.dirname(elsewhere)}, and this is another installation (${facts.hooks})`,
        `${REGISTER} Or run doctor of that installation.`,
      ),
    );
  if (scripts.some((script) => path.basename(script) === 'prepare.js'))
    findings.push(
      warning(
        condition,
        'its prepare_exec is prepare.js itself: each job that waits for a slot to create its instance holds 57 MiB, where the script `prepare` holds 3',
        REGISTER,
      ),
    );
  const named = words.map((word) => /^GITLAB_SPOT_ENV_FILE=(.*)$/.exec(word)?.[1]).find((one) => one !== undefined);
  if (named !== undefined && path.resolve(named) !== (facts.envFile && path.resolve(facts.envFile)))
    findings.push(
      warning(
        condition,
        `its hooks read the env file ${named}, and doctor read ${facts.envFile ?? 'none'}`,
        `Run \`GITLAB_SPOT_ENV_FILE=${named} gitlab-spot doctor\`.`,
      ),
    );
  return findings;
}

function timeoutFindings(condition: string, custom: CustomSection, settings: RunnerFacts['settings']): Finding[] {
  const wanted = timeouts(settings);
  const findings: Finding[] = [];
  const graceful = custom.graceful_kill_timeout ?? DEFAULTS.graceful;
  if (graceful >= CLEANUP_BEGINS)
    findings.push(
      bad(
        condition,
        `graceful_kill_timeout is ${graceful} s: cleanup begins ${CLEANUP_BEGINS} s after a job's timeout at the latest, beside a hook that still works`,
        `Set it to ${wanted.graceful_kill_timeout}. ${REGISTER}`,
      ),
    );
  // A hook that is told to end waits for its pulumi, whose creation takes 12 s and whose giving up
  // longer.
  if (graceful < 60)
    findings.push(
      warning(
        condition,
        `graceful_kill_timeout is ${graceful} s: a pulumi that is killed in the middle leaves an instance to the reaper`,
        `Set it to ${wanted.graceful_kill_timeout}. ${REGISTER}`,
      ),
    );
  for (const name of ['config_exec_timeout', 'prepare_exec_timeout', 'cleanup_exec_timeout'] as const) {
    const given = custom[name] ?? DEFAULTS.exec;
    // What register writes has a margin; below two thirds of it the hook's own limits don't fit.
    if (given < (wanted[name] * 2) / 3)
      findings.push(
        warning(
          condition,
          `${name} is ${given} s, and the hook's own limits together need ${wanted[name]} s: the runner would kill it before it can say why`,
          REGISTER,
        ),
      );
  }
  return findings;
}

function addressFindings(
  condition: string,
  url: string | undefined,
  cloneUrl: string | undefined,
  { cloud }: Pick<Settings, 'cloud'>,
): Finding[] {
  const reached = cloneUrl ?? url;
  if (reached === undefined) return [bad(condition, 'it has no url', REGISTER)];
  if (!isOutOfReach(reached, cloud)) return [];
  // Not more: where instances share the host's network it is right.
  return [
    warning(
      condition,
      `its ${cloneUrl === undefined ? 'url' : 'clone_url'} is a loopback address (${reached}); instances can't clone from it`,
      'Run `gitlab-spot register --clone-url URL` with the address by which instances reach GitLab.',
    ),
  ];
}

const WEEK_MS = 7 * 24 * 3_600_000;

function expiryFindings(condition: string, expires: Date | undefined): Finding[] {
  const leftMs = expires === undefined ? Infinity : expires.getTime() - Date.now();
  // A runner renews its token when three quarters of its life are over.
  if (expires === undefined || leftMs > WEEK_MS) return [];
  const detail = `its token ${leftMs < 0 ? 'expired' : 'expires'} at ${expires.toISOString()}`;
  return [
    (leftMs < 0 ? bad : warning)(
      condition,
      detail,
      'Make a new runner token in GitLab, then run `gitlab-spot register`.',
    ),
  ];
}
