import { programOn } from '../../../sandbox/start';
import type { ServerKind } from './servers';

/**
 * What an image may have: a row of docs/compatibility.md, tried by
 * test/src/ssh/compatibility.long.test.ts.
 */
export interface Setup {
  readonly name: string;
  /**
   * OpenSSH runs the shell of this machine's user, so rows with another one are tried on the
   * built-in server alone.
   */
  readonly servers: readonly ServerKind[];
  /** Must be there. */
  readonly program?: string;
  readonly shell?: string;
  /** Start-up files in the user's home. */
  readonly files?: Readonly<Record<string, string>>;
  readonly sshdConfig?: readonly string[];
  readonly maxSessions?: number;
  readonly loginDelayMs?: number;
  /** Lines of the script, and what they print. */
  readonly script?: string;
  readonly output?: string;
  /** A stage that takes this long goes on. */
  readonly waitsMs?: number;
  /** Nothing can be run there. */
  readonly unfit?: boolean;
}

const BOTH = ['ssh2', 'sshd'] as const;
const BUILT_IN = ['ssh2'] as const;
const OPENSSH = ['sshd'] as const;

const shells = ['bash', 'dash', 'zsh', 'fish', 'tcsh', 'nu'].map((name): Setup => {
  const shell = programOn(process.env.PATH ?? '', name) ?? `/usr/bin/${name}`;
  return { name: `login shell ${name}`, servers: BUILT_IN, program: shell, shell };
});

export const COMPATIBILITY: readonly Setup[] = [
  ...shells,
  { name: '.bashrc prints', servers: BOTH, files: { '.bashrc': 'echo Welcome; printf "no newline" >&2\n' } },
  { name: '.bashrc has set -e, set -u', servers: BOTH, files: { '.bashrc': 'set -eu\n' } },
  {
    name: '.bashrc has exported shell options',
    servers: BOTH,
    files: { '.bashrc': 'set -eu; export SHELLOPTS\n' },
    script: 'set +eu',
  },
  { name: '.bashrc exits', servers: BOTH, files: { '.bashrc': 'exit 1\n' }, unfit: true },
  {
    name: 'TMOUT, read-only and exported',
    servers: BOTH,
    files: { '.bashrc': 'TMOUT=1; readonly TMOUT; export TMOUT\n' },
    waitsMs: 3_000,
  },
  {
    name: 'BASH_ENV, ENV, CDPATH, IFS, POSIXLY_CORRECT, GREP_OPTIONS',
    servers: BOTH,
    files: {
      '.bashrc': 'export BASH_ENV=$HOME/.env ENV=$HOME/.env CDPATH=/usr IFS=/ POSIXLY_CORRECT=1 GREP_OPTIONS=-v\n',
      '.env': ': never printed\n',
    },
  },
  {
    name: 'functions exported by the profile',
    servers: BOTH,
    files: { '.profile': 'f() { echo "from the profile"; }; export -f f\n', '.bash_profile': '. ~/.profile\n' },
    script: 'f',
    output: 'from the profile\n',
  },
  { name: 'MaxSessions 1', servers: BOTH, maxSessions: 1, sshdConfig: ['MaxSessions 1'] },
  { name: 'a login that takes 6.5 s', servers: BUILT_IN, loginDelayMs: 6_500 },
  { name: 'UseDNS yes', servers: OPENSSH, sshdConfig: ['UseDNS yes'] },
  { name: 'Banner', servers: OPENSSH, sshdConfig: ['Banner /etc/passwd'] },
  { name: 'AllowUsers with our user', servers: OPENSSH, sshdConfig: ['AllowUsers root nobody'] },
  {
    name: 'ForceCommand that runs what was asked',
    servers: OPENSSH,
    sshdConfig: ['ForceCommand eval "$SSH_ORIGINAL_COMMAND"'],
  },
  { name: 'ForceCommand of its own', servers: OPENSSH, sshdConfig: ['ForceCommand echo no'], unfit: true },
  {
    name: 'script: a filter behind the output',
    servers: BOTH,
    script:
      'exec > >(while IFS= read -r l; do sleep 0.02; printf "TS %s\\n" "$l"; done)\nfor i in 1 2 3; do echo $i; done\nexec >&2; sleep 0.3',
    output: 'TS 1\nTS 2\nTS 3\n',
  },
  { name: 'script: a background process holds the output', servers: BOTH, script: 'sleep 60 &' },
  { name: 'script: reads standard input', servers: BOTH, script: 'cat' },
];
