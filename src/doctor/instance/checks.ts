import { bad, good, warning, type Finding } from '../finding';
import { quote } from '../../ssh/quote';
import type { SshConnection } from '../../ssh/types';

/** One look around on an instance: a command for sh, and what its answer means. */
export interface Look {
  readonly condition: string;
  /** Seconds that the command gives itself; the connection waits a little longer. */
  readonly limitSeconds: number;
  readonly command: string;
  readonly judge: (answer: Answer) => Finding;
}

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An address that jobs on an instance need. */
export interface Address {
  readonly condition: string;
  readonly url: string;
  /** What fails without it: `bad` where every job does. */
  readonly state: 'bad' | 'warning';
  /** What to do where it can't be reached; the network's own remedies come before. */
  readonly remedy: string;
}

const CONNECT_SECONDS = 10;
const FETCH_SECONDS = 20;
const SSH_GRACE_MS = 5_000;
/**
 * Where `gitlab-runner` may have been installed for this instance. A shell ends where `.` finds no
 * file.
 */
const ENVIRONMENT = 'file=$HOME/.gitlab-spot/environment; [ ! -r "$file" ] || . "$file"';

/** Never throws: a connection that breaks is a finding too. */
export async function runCheck(
  connection: SshConnection,
  { condition, command, limitSeconds, judge }: Look,
): Promise<Finding> {
  try {
    const timeoutMs = limitSeconds * 1000 + SSH_GRACE_MS;
    return judge(await connection.exec(`sh -c ${quote(`${ENVIRONMENT}\n${command}`)}`, { timeoutMs }));
  } catch (error) {
    return bad(
      condition,
      (error as Error).message,
      'Run it again; `gitlab-spot ssh` lets you look by hand while a job runs.',
    );
  }
}

/** What an image must bring along, whatever the job. */
export function instanceChecks({
  runnerVersion,
  helperInstalls,
}: {
  runnerVersion: string;
  helperInstalls: boolean;
}): readonly Look[] {
  return [
    {
      condition: 'machine',
      limitSeconds: 10,
      command:
        'printf "%s vCPU, %s MiB, " "$(nproc)" "$(awk \'/MemTotal/{print int($2/1024)}\' /proc/meminfo)"; df -Pk / | awk \'NR==2{printf "%d GiB free of %d", $4/1048576, $2/1048576}\'',
      judge: ({ stdout, exitCode }) =>
        exitCode === 0 && stdout !== ''
          ? good('machine', stdout.trim())
          : warning('machine', 'it does not tell its size', 'Put coreutils and awk into the image.'),
    },
    program('git', 'git --version', /git version (\S+)/, {
      state: 'bad',
      lacks: 'there is no git, and every job begins with it',
      remedy: 'Put git into the image (deploy/image/provision.sh does).',
    }),
    program('bash', 'bash --version', /version (\S+?)[(\s]/, {
      state: 'warning',
      lacks: 'there is no bash: scripts run in sh',
      remedy: 'Put bash into the image.',
    }),
    runnerLook(runnerVersion, helperInstalls),
    {
      condition: 'docker',
      limitSeconds: 20,
      command: 'command -v docker >/dev/null || exit 90; docker version --format "{{.Server.Version}}"',
      judge: ({ exitCode, stdout, stderr }) => {
        if (exitCode === 90)
          return warning(
            'docker',
            'there is no docker: jobs with `image` or `services` fail',
            'Put docker into the image (deploy/image/provision.sh does), unless no job wants it.',
          );
        if (exitCode === 0) return good('docker', stdout.trim());
        return bad(
          'docker',
          `its daemon does not answer: ${lastLine(stderr) || `exit ${exitCode}`}`,
          'Let the image start it at boot (`systemctl enable docker`).',
        );
      },
    },
  ];
}

function program(
  condition: string,
  command: string,
  version: RegExp,
  { state, lacks, remedy }: { state: 'bad' | 'warning'; lacks: string; remedy: string },
): Look {
  return {
    condition,
    limitSeconds: 10,
    command: `${command} 2>&1`,
    judge: ({ exitCode, stdout }) => {
      if (exitCode === 0) return good(condition, version.exec(stdout)?.[1] ?? stdout.split('\n')[0]!.trim());
      return (state === 'bad' ? bad : warning)(condition, lacks, remedy);
    },
  };
}

/**
 * Cache and artifacts are silently lost without one; GitLab keeps it compatible within a minor
 * version.
 */
function runnerLook(runnerVersion: string, helperInstalls: boolean): Look {
  const condition = 'gitlab-runner';
  const minor = (version: string): string => version.split('.').slice(0, 2).join('.');
  const remedy = 'Put the runner’s version into the image, or set GITLAB_SPOT_RUNNER_HELPER to `host` or a URL.';
  return {
    condition,
    limitSeconds: 15,
    command: 'gitlab-runner --version',
    judge: ({ exitCode, stdout }) => {
      const found = /Version:\s*v?(\S+)/.exec(stdout)?.[1];
      if (exitCode !== 0 || found === undefined)
        return bad(
          condition,
          `there is none${helperInstalls ? ', and none could be installed' : ''}: cache and artifacts of jobs would be lost`,
          remedy,
        );
      if (runnerVersion !== '' && minor(found) !== minor(runnerVersion))
        return warning(condition, `${found} on the instance, ${runnerVersion} on this host`, remedy);
      return good(condition, found);
    },
  };
}

/** The names of these addresses, as the instance resolves them. Undefined: all are numbers. */
export function nameResolution(urls: readonly string[]): Look | undefined {
  const names = [...new Set(urls.map((url) => new URL(url).hostname))].filter(
    (name) => !/^[\d.]+$|^\[|^localhost$/.test(name),
  );
  if (names.length === 0) return undefined;
  const condition = 'name resolution';
  return {
    condition,
    limitSeconds: 20,
    command: `command -v getent >/dev/null || exit 90\nfor name in ${names.map(quote).join(' ')}; do timeout 8 getent hosts "$name" >/dev/null || echo "$name"; done`,
    judge: ({ exitCode, stdout }) => {
      if (exitCode === 90) return good(condition, 'the image has no getent to ask with');
      const unknown = stdout.split('\n').filter((name) => name !== '');
      if (unknown.length === 0) return good(condition, names.join(', '));
      return bad(
        condition,
        `the instance can't resolve ${unknown.join(', ')}`,
        'Check the VPC’s DNS (100.100.2.136, 100.100.2.138, or PrivateZone for names of your own) and the image’s /etc/resolv.conf.',
      );
    },
  };
}

/** Whether something answers at the address, whatever it says. */
export function reach({ condition, url, state, remedy }: Address): Look {
  return {
    condition,
    limitSeconds: FETCH_SECONDS + 5,
    command: `url=${quote(url)}\n${FETCH}`,
    judge({ stdout, stderr }) {
      const [, status = '0', seconds = '', exit = '0'] = /status=(\d*) seconds=([\d.]*) exit=(\d+)/.exec(stdout) ?? [];
      const report = state === 'bad' ? bad : warning;
      const code = Number(status);
      if (code >= 500) return warning(condition, `${url} answers HTTP ${code}`, 'Look at that server.');
      if (code >= 100)
        return good(
          condition,
          `${url} answers (HTTP ${code}${seconds === '' ? '' : `, ${Number(seconds).toFixed(2)} s`})`,
        );
      if (exit === '90') return warning(condition, `${url} could not be tried`, 'Put curl or wget into the image.');
      const why = lastLine(stderr).replace(/^(curl: \(\d+\)|wget:)\s*/, '') || `exit ${exit}`;
      return report(condition, `${url} can't be reached: ${why}`, `${networkRemedy(exit)} ${remedy}`.trim());
    },
  };
}

/** curl's exit codes: https://curl.se/docs/manpage.html#EXIT */
function networkRemedy(exit: string): string {
  if (exit === '6') return 'The name can’t be resolved there.';
  if (/^(35|51|58|60|77)$/.test(exit)) return 'Give the image the certificate authority that signed it.';
  return 'Check routes, the NAT gateway or public address (internetBandwidthMbps), and firewalls on the way.';
}

/** Prints `status=401 seconds=0.02 exit=0`; what went wrong goes to standard error. */
const FETCH = `
if command -v curl >/dev/null; then
  answer=$(curl -sS -o /dev/null -w '%{http_code} %{time_total}' --connect-timeout ${CONNECT_SECONDS} --max-time ${FETCH_SECONDS} "$url")
  exit=$?
  set -- $answer
  echo "status=$1 seconds=$2 exit=$exit"
elif command -v wget >/dev/null; then
  answer=$(wget -S -t 1 -T ${CONNECT_SECONDS} -O /dev/null "$url" 2>&1)
  exit=$?
  status=$(printf '%s\\n' "$answer" | sed -n 's/^ *HTTP\\/[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1)
  [ -n "$status" ] || printf '%s\\n' "$answer" >&2
  echo "status=$status seconds= exit=$exit"
else
  echo "status= seconds= exit=90"
fi`;

/** docker's own mirrors on the instance: the registries that its jobs pull from first. */
export const MIRRORS = "docker info --format '{{json .RegistryConfig.Mirrors}}' 2>/dev/null";

export function mirrorsIn(stdout: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(stdout);
    return Array.isArray(value)
      ? value.filter((one): one is string => typeof one === 'string' && URL.canParse(one))
      : [];
  } catch {
    return [];
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').pop() ?? '';
}
