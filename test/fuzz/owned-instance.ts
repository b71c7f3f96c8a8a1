import type { ServerChannel } from 'ssh2';
import { quote } from '../../src/ssh/quote';
import { nonceIn, startHostile, type HostileServer } from '../support/ssh/hostile';
import { startServer } from '../support/ssh/servers';

/**
 * A job that has become root owns its instance: the sshd that takes our login, the supervisor's
 * files and frames, and the disk they lie on. It says and does what it likes, also in the
 * supervisor's name, and in docker's.
 */
export interface OwnedPlan {
  /** To each command of a stage; the same again on each reconnection. */
  readonly acts: readonly Act[];
  /** To the other commands, one after the other; what lies beyond is answered as it should be. */
  readonly answers: readonly Reply[];
  /** Instead of that: a real shell and supervisor, whose files the job's script spoils. */
  readonly spoils?: readonly Spoil[] | undefined;
}

/** What a script does to the files of its own run. Those that hold process ids it leaves alone. */
export interface Spoil {
  readonly kind: 'write' | 'append' | 'forge' | 'remove' | 'folder' | 'link';
  readonly file: string;
  readonly text: string;
}

/** One thing that the instance does on a stage's channel. */
export type Act =
  | { readonly kind: 'frame'; readonly text: string }
  | { readonly kind: 'raw' | 'message'; readonly text: string }
  | { readonly kind: 'much'; readonly kib: number; readonly stderr: boolean }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'close' | 'eof' | 'hang up' };

/** How it answers another command. `silent`: never. */
export type Reply =
  | { readonly kind: 'right' | 'close' | 'hang up' | 'silent' }
  | { readonly kind: 'text'; readonly stdout: string; readonly stderr: string; readonly code: number }
  | { readonly kind: 'much'; readonly kib: number };

/** What docker says of a service. */
export const CONTAINER = {
  State: { Running: true, Health: { Status: 'healthy' } },
  Config: { Env: ['A=b'], ExposedPorts: { '5432/tcp': {} } },
  NetworkSettings: { Networks: { 'gitlab-spot': { IPAddress: '198.18.0.2' } } },
};
const RIGHT: readonly (readonly [RegExp, string])[] = [
  [/gitlab-runner --version/, 'Version:      19.3.0\n'],
  [/uname -m/, 'x86_64\n'],
  [/printf %s "\$HOME"/, '/root'],
  [/docker version/, '27.0.1\n'],
  [/docker inspect/, JSON.stringify(CONTAINER)],
  [/docker start --attach/, 'gitlab-spot: 1000:1000:bash:/bin/bash.\n'],
  [/docker-credential-\S+ list/, '{"registry.example.com":"u"}'],
  [/docker-credential-\S+ get/, '{"Username":"u","Secret":"hush"}'],
  [/config\.json/, '{"credsStore":"own","credHelpers":{"ghcr.io":"other"}}'],
];

export type OwnedInstance = Pick<HostileServer, 'target' | 'stop'>;

/** An instance that does so. */
export async function owned({ acts: plan, answers, spoils }: OwnedPlan): Promise<OwnedInstance> {
  if (spoils) return startServer('ssh2');
  let asked = 0;
  return startHostile((channel, command, client) => {
    const nonce = nonceIn(command);
    if (nonce === '') return answer(answers[asked++] ?? { kind: 'right' }, channel, command, () => client.end());
    for (const one of plan) {
      if (one.kind === 'frame') channel.write(`\x1e\x02${nonce} ${one.text}\x03`);
      else if (one.kind === 'raw') channel.write(one.text);
      else if (one.kind === 'message') channel.stderr.write(`gitlab-spot ${nonce} ${one.text}\n`);
      else if (one.kind === 'much') (one.stderr ? channel.stderr : channel).write(Buffer.alloc(one.kib * 1024, 'y'));
      else if (one.kind === 'exit') channel.exit(one.code % 256);
      else if (one.kind === 'eof') channel.end();
      else if (one.kind === 'close') channel.close();
      else client.end();
    }
    // One that says nothing more is a script that runs; a job may do that until its timeout.
    setTimeout(() => client.end(), 20).unref();
  });
}

/** The script of a stage that does so, and waits a moment for what follows. */
export function spoiling(spoils: readonly Spoil[]): string {
  const each = spoils.map(({ kind, file, text }) => {
    const at = `"$own"/${quote(file)}`;
    if (kind === 'forge') return `printf '\\036\\002%s %s\\003' "$nonce" ${quote(text)} >>"$own/out"`;
    if (kind === 'remove') return `rm -rf ${at}`;
    if (kind === 'folder') return `rm -rf ${at}; mkdir -p ${at}`;
    if (kind === 'link') return `ln -sfn ${quote(text || '.')} ${at}`;
    return `printf %s ${quote(text)} >${kind === 'append' ? '>' : ''}${at}`;
  });
  return [
    'cd "$HOME/.gitlab-spot/runs" || exit',
    'own=$PWD/$(ls -t | head -n 1)',
    'nonce=$(printf %s "${own##*/}" | sha256sum | cut -c1-32)',
    '{',
    ...each,
    '} 2>/dev/null',
    'sleep 0.2',
    '',
  ].join('\n');
}

/** Behind the mark, by which the executor knows where the answer begins. */
function answer(given: Reply, channel: ServerChannel, command: string, hangUp: () => void): void {
  if (given.kind === 'silent') return;
  if (given.kind === 'hang up') return hangUp();
  const mark = /printf %s%s ([0-9a-f]+) ([0-9a-f]+)/.exec(command)?.slice(1).join('') ?? '';
  if (given.kind !== 'close') {
    channel.stdin.resume();
    channel.write(mark);
    channel.stderr.write(mark);
  }
  if (given.kind === 'right') {
    const plain = command.replaceAll(/\\0(\d{3})/g, (_all, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    channel.write(RIGHT.find(([asked]) => asked.test(plain))?.[1] ?? '');
  } else if (given.kind === 'text') {
    channel.write(given.stdout);
    channel.stderr.write(given.stderr);
  } else if (given.kind === 'much') channel.write(Buffer.alloc(given.kib * 1024, 'y'));
  channel.exit(given.kind === 'text' ? given.code : 0);
  channel.end();
  channel.close();
}
