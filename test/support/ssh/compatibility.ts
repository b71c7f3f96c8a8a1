import { programOn } from '../../../sandbox/start';
import { withSh, type Userland } from './machines';
import type { ServerKind } from './servers';

/**
 * What an image may have: a row of docs/compatibility.md, tried by
 * test/src/ssh/compatibility.long.test.ts.
 */
export interface Setup {
  readonly name: string;
  readonly servers: readonly ServerKind[];
  /** Must be there. */
  readonly program?: string;
  readonly shell?: string;
  /** The shell is called by this name. */
  readonly applet?: string;
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
  /** What stands between the script and the log gets the SIGTERM of a cancel, too. */
  readonly lastWordsLost?: boolean;
  /** Nothing can be run there. */
  readonly unfit?: boolean;
  readonly userland?: Userland;
  /** Name of the home's folder. */
  readonly home?: string;
  /** The home is a file system of its own, mounted with these options. */
  readonly mount?: string;
}

const BOTH = ['ssh2', 'sshd'] as const;
const OPENSSH = ['sshd'] as const;

/** As in the RHEL family. Another sh heeds neither TMOUT nor options in the environment. */
const BASH_AS_SH = withSh('bash');

/** Where it lies, or would. */
const pathOf = (name: string) => programOn(process.env.PATH ?? '', name) ?? `/usr/bin/${name}`;

const shells = ['bash', 'dash', 'zsh', 'yash', 'mksh', 'fish', 'tcsh', 'nu'].map((name): Setup => {
  const shell = pathOf(name);
  return { name: `login shell ${name}`, servers: BOTH, program: shell, shell };
});

export const COMPATIBILITY: readonly Setup[] = [
  ...shells,
  {
    name: 'login shell busybox ash',
    servers: BOTH,
    program: pathOf('busybox'),
    shell: pathOf('busybox'),
    applet: 'ash',
  },
  ...['yash', 'mksh', 'busybox'].map((sh): Setup => ({ name: `sh is ${sh}`, servers: BOTH, userland: withSh(sh) })),
  { name: 'a home with a space in its name', servers: BOTH, home: 'my home' },
  {
    name: 'home and TMPDIR on a file system with noexec',
    servers: BOTH,
    mount: 'noexec,size=4m',
    files: { '.profile': 'export TMPDIR=$HOME\n' },
  },
  { name: 'a home that can’t be written', servers: BOTH, mount: 'ro', unfit: true },
  { name: 'a home without room', servers: BOTH, mount: 'size=4k,nr_inodes=2', unfit: true },
  { name: '.bashrc prints', servers: BOTH, files: { '.bashrc': 'echo Welcome; printf "no newline" >&2\n' } },
  { name: '.bashrc has set -e, set -u', servers: BOTH, files: { '.bashrc': 'set -eu\n' } },
  {
    name: '.bashrc has exported shell options',
    servers: BOTH,
    userland: BASH_AS_SH,
    files: { '.bashrc': 'set -eu; export SHELLOPTS\n' },
    script: 'set +eu',
  },
  { name: '.bash_profile has set -euo pipefail', servers: BOTH, files: { '.bash_profile': 'set -euo pipefail\n' } },
  {
    name: '.bash_profile sets HOME to /',
    servers: BOTH,
    files: { '.bash_profile': 'export HOME=/\n' },
    script: 'echo "$HOME"',
    output: '/\n',
  },
  {
    name: '.bashrc has set -C, set -f and an empty IFS',
    servers: BOTH,
    userland: BASH_AS_SH,
    files: { '.bashrc': 'set -Cf; IFS=; export SHELLOPTS IFS\n', '.bash_profile': '. ~/.bashrc\n' },
  },
  { name: '.bashrc has set -xv', servers: BOTH, files: { '.bashrc': 'set -xv\n' } },
  {
    name: '.bashrc has umask 077',
    servers: BOTH,
    files: { '.bashrc': 'umask 077\n', '.bash_profile': '. ~/.bashrc\n' },
    script: 'umask',
    output: '0077\n',
  },
  { name: '.profile exits', servers: BOTH, files: { '.profile': 'exit 1\n' } },
  { name: '.profile hangs', servers: BOTH, files: { '.profile': 'sleep 100\n' } },
  { name: '.bashrc starts another shell', servers: BOTH, files: { '.bashrc': 'exec zsh\n' }, unfit: true },
  { name: '.bashrc empties PATH', servers: BOTH, files: { '.bashrc': 'PATH=\n' }, unfit: true },
  { name: 'login shell rbash', servers: BOTH, program: '/usr/bin/rbash', shell: '/usr/bin/rbash', unfit: true },
  { name: 'login shell nologin', servers: BOTH, shell: '/usr/sbin/nologin', unfit: true },
  { name: 'login shell false', servers: BOTH, shell: '/bin/false', unfit: true },
  { name: '.bashrc exits', servers: BOTH, files: { '.bashrc': 'exit 1\n' }, unfit: true },
  { name: '.bashrc hangs', servers: BOTH, files: { '.bashrc': 'sleep 100\n' }, unfit: true },
  {
    name: 'TMOUT, read-only and exported',
    servers: BOTH,
    userland: BASH_AS_SH,
    files: { '.bashrc': 'TMOUT=1; readonly TMOUT; export TMOUT\n' },
    waitsMs: 3_000,
  },
  {
    name: 'BASH_ENV, ENV, CDPATH, IFS, POSIXLY_CORRECT, GREP_OPTIONS',
    servers: BOTH,
    userland: BASH_AS_SH,
    files: {
      '.bashrc': 'export BASH_ENV=$HOME/.env ENV=$HOME/.env CDPATH=/usr IFS=/ POSIXLY_CORRECT=1 GREP_OPTIONS=-v\n',
      '.env': 'echo never printed\n',
    },
  },
  {
    name: 'BASH_ENV names a file that prints',
    servers: BOTH,
    files: { '.profile': 'export BASH_ENV=$HOME/.env\n', '.env': 'echo from BASH_ENV\n' },
    output: 'from BASH_ENV\n',
  },
  {
    name: 'functions exported by the profile',
    servers: BOTH,
    files: { '.profile': 'f() { echo "from the profile"; }; export -f f\n', '.bash_profile': '. ~/.profile\n' },
    script: 'f',
    output: 'from the profile\n',
  },
  {
    name: 'the profile names a proxy',
    servers: BOTH,
    files: { '.profile': 'export http_proxy=http://proxy.test:3128 HTTPS_PROXY=http://proxy.test:3128\n' },
    script: 'echo "$http_proxy $HTTPS_PROXY"',
    output: 'http://proxy.test:3128 http://proxy.test:3128\n',
  },
  { name: 'MaxSessions 1', servers: BOTH, maxSessions: 1, sshdConfig: ['MaxSessions 1'] },
  { name: 'a login that takes 6.5 s', servers: BOTH, loginDelayMs: 6_500 },
  { name: 'UseDNS yes', servers: OPENSSH, sshdConfig: ['UseDNS yes'] },
  { name: 'Banner', servers: OPENSSH, sshdConfig: ['Banner /etc/passwd'] },
  {
    name: 'MaxSessions 1, Banner and ForceCommand',
    servers: OPENSSH,
    sshdConfig: ['MaxSessions 1', 'Banner /etc/passwd', 'ForceCommand eval "$SSH_ORIGINAL_COMMAND"'],
  },
  {
    name: 'ClientAliveInterval 1, RekeyLimit 64K',
    servers: OPENSSH,
    sshdConfig: ['ClientAliveInterval 1', 'ClientAliveCountMax 1', 'RekeyLimit 64K 2'],
    waitsMs: 4_000,
    script: 'seq 1 100000 | tr -d "\\n" | wc -c; head -c 3000000 /dev/zero | tr "\\0" x >/dev/stderr; echo',
    output: `488895\n${'x'.repeat(3_000_000)}\n`,
  },
  {
    name: 'PermitTTY no, MaxStartups 1, ClientAliveInterval 1',
    servers: OPENSSH,
    sshdConfig: ['PermitTTY no', 'MaxStartups 1', 'ClientAliveInterval 1'],
    waitsMs: 4_000,
  },
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
  {
    name: 'script: tee, and a filter of its own for each stream',
    servers: BOTH,
    lastWordsLost: true,
    script:
      'exec > >(tee "$HOME/copy") 2> >(sed "s/^/E /" >&2)\necho one\nsleep 0.3; exec 2>/dev/null; sleep 0.3; exec 2>&1',
    output: 'one\n',
  },
  {
    name: 'script: one line of 5 MB',
    servers: BOTH,
    script: 'head -c 5000000 /dev/zero | tr "\\0" y; echo',
    output: `${'y'.repeat(5_000_000)}\n`,
  },
  {
    name: 'script: 200,000 short lines',
    servers: BOTH,
    script: 'seq 200000',
    output: Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join(''),
  },
  { name: 'script: itself of 5 MB', servers: BOTH, script: `# ${'x'.repeat(997)}\n`.repeat(5_000) },
  { name: 'script: lines that end in CRLF', servers: BOTH, script: 'echo a\r', output: 'a\r\n' },
  {
    name: 'script: bytes that are no text, and characters in two writes',
    servers: BOTH,
    script: "printf 'a\\000\\200'; printf '\\344'; sleep 0.1; printf '\\275\\240\\n'",
    output: 'a\0\ufffd你\n',
  },
  {
    name: 'script: daemons that have forked twice and go on writing',
    servers: BOTH,
    script: '(setsid sh -c "sleep 30; echo late" & ) & wait',
  },
  { name: 'script: ends its own process group', servers: BOTH, script: "trap '' TERM; kill 0" },
  { name: 'script: removes ~/.gitlab-spot', servers: BOTH, script: 'rm -rf ~/.gitlab-spot' },
  // The built-in server starts each command in the home, and fails without.
  { name: 'script: removes its home', servers: OPENSSH, script: 'rm -rf ~' },
  {
    name: 'script: changes its login shell',
    servers: OPENSSH,
    program: pathOf('fish'),
    shell: pathOf('bash'),
    // What /etc/passwd is there.
    script: `sed "s|^\\($(id -un):.*:\\).*|\\1${pathOf('fish')}|" ~/../passwd >~/new; cat ~/new >~/../passwd; grep -c fish$ /etc/passwd`,
    output: '1\n',
  },
  {
    name: 'script: stands in a folder that it removes',
    servers: BOTH,
    script: 'mkdir ~/gone; cd ~/gone; rmdir ~/gone',
  },
  { name: 'script: may write no file', servers: BOTH, script: 'ulimit -f 0' },
  { name: 'script: empties PATH', servers: BOTH, script: 'PATH=' },
  { name: 'script: unsets HOME', servers: BOTH, script: 'unset HOME' },
  {
    name: 'script: a trap at its end',
    servers: BOTH,
    script: "trap 'echo at the end' HUP; trap 'sleep 0.2; exit 7' EXIT",
  },
  { name: 'script: closes its output at the end', servers: BOTH, script: "trap 'exec >&- 2>&-' EXIT" },
  { name: 'script: a background process holds the output', servers: BOTH, script: 'sleep 60 &' },
  { name: 'script: reads standard input', servers: BOTH, script: 'cat' },
];
