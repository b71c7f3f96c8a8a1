import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithDocker } from '../../support/docker';
import { describeSkipped } from '../../support/skip';

interface Result {
  readonly code: number;
  readonly out: string;
}

/**
 * A shell script with `docker` as its only peculiarity, and what it must print to both outputs; ids
 * are written as ID.
 */
const scripts: readonly [what: string, script: string, expected: Result][] = [
  [
    // One output at a time: which of two comes first is nobody's promise.
    'starts a command, passes its outputs on, and tells its exit code',
    'docker create --name job0 small:1 sh -c "echo out; echo err >&2; exit 42" > /dev/null; docker start -a job0 2> /dev/null; docker start -a job0 > /dev/null; code=$?; docker rm job0; (exit $code)',
    { code: 42, out: 'out\nerr\njob0\n' },
  ],
  [
    'passes standard input only with --interactive',
    'for i in "" --interactive; do docker create $i --name in$i small:1 cat > /dev/null; echo in | docker start --attach $i in$i; docker rm in$i; done',
    { code: 0, out: 'in\nin\nin--interactive\n' },
  ],
  [
    'gives the variables asked for, and none of the caller',
    'export HERE=1 GIVEN=2; docker create --name env --env A=b --env GIVEN --entrypoint sh small:1 -c "echo \\$A \\$GIVEN \\${HERE-unset}" > /dev/null; docker start -a env; docker rm env',
    { code: 0, out: 'b 2 unset\nenv\n' },
  ],
  [
    'shares a volume',
    'mkdir -p $SANDBOX_ROOT/builds; docker create --name vol --volume $SANDBOX_ROOT/builds:$SANDBOX_ROOT/builds small:1 sh -c "echo x > $SANDBOX_ROOT/builds/made" > /dev/null; docker start -a vol; cat $SANDBOX_ROOT/builds/made; docker rm vol',
    { code: 0, out: 'x\nvol\n' },
  ],
  [
    'keeps a container in the background, with its log and state',
    [
      'docker run --detach --name job1 small:1 sh -c "echo hello; sleep 100" > /dev/null',
      'docker exec job1 sh -c "echo in; exit 3"; echo $?',
      'echo typed | docker exec -i job1 cat',
      'docker inspect --format "{{json .}}" job1 | grep -o "\\"Running\\":true"',
      'docker ps --quiet --filter name=job1',
      'until docker logs --tail 5 job1 2>&1 | grep hello; do sleep 0.1; done',
      'docker rm --force --volumes job1',
      'docker exec job1 true',
    ].join('\n'),
    {
      code: 1,
      out: 'in\n3\ntyped\n"Running":true\nID\nhello\njob1\nError response from daemon: No such container: job1\n',
    },
  ],
  [
    'ends with its first process, whatever it has left running, and starts again',
    [
      'docker create --name job2 small:1 sh -c "sleep 100 & echo started" > /dev/null',
      'docker start -a job2; docker start -a job2; docker ps --quiet --filter name=job2; docker rm job2',
    ].join('\n'),
    { code: 0, out: 'started\nstarted\njob2\n' },
  ],
  [
    'has processes of its own: kill -1 reaches no other, nor what started it',
    [
      'sleep 100 & other=$!; outside=$(readlink /proc/self/ns/pid)',
      'docker run --detach --name kill1 small:1 sh -c "while :; do sleep 100; done" > /dev/null',
      // Nothing is killed where it would be outside.
      'docker exec kill1 sh -c "case \\$(ls -l /proc/self/ns/pid) in *\'$outside\') exit 99; esac; sleep 100 & kill -KILL -1; wait \\$!; echo \\$?" 2> /dev/null',
      'kill -0 $other && echo there; kill $other; docker rm -f kill1',
    ].join('\n'),
    { code: 0, out: '137\nthere\nkill1\n' },
  ],
  [
    'removes nothing that is not there',
    'docker rm -f nope; echo $?; docker rm nope; echo $?',
    { code: 0, out: 'Error: No such container: nope\n0\nError: No such container: nope\n1\n' },
  ],
  [
    'makes and removes networks',
    'docker network create --subnet 192.168.231.0/24 net1; docker network create net1; docker run --detach --name inside --network net1 small:1 sh -c "sleep 100"; docker rm -f inside; docker network rm net1; docker network rm net1',
    {
      code: 1,
      out: 'ID\nError response from daemon: network with name net1 already exists\nID\ninside\nnet1\nError: No such network: net1\n',
    },
  ],
  [
    'refuses a name that is taken',
    'docker run --detach --name job4 small:1 sleep 100 > /dev/null; docker run --detach --name job4 small:1 true; echo $?; docker rm -f job4 > /dev/null',
    {
      code: 0,
      out: 'docker: Error response from daemon: Conflict. The container name "/job4" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.\nSee \'docker run --help\'.\n125\n',
    },
  ],
  [
    'refuses a flag that it does not know',
    'docker run --bogus small:1',
    { code: 125, out: "unknown flag: --bogus\nSee 'docker run --help'.\n" },
  ],
  [
    'inspects an image',
    'docker image inspect nope:1; docker image inspect small:1 > /dev/null',
    { code: 0, out: '[]\nError: No such image: nope:1\n' },
  ],
];

/** The client's own words change from version to version; its results and exit codes don't. */
function withoutWords({ code, out }: Result): Result {
  const lines = out
    .split('\n')
    .filter((line) => !/^((docker: )?Error|See |Run |Usage|unknown flag|exit status|$)/.test(line));
  return { code, out: lines.join('\n') };
}

function cases(program: () => string, seen: (result: Result) => Result = (result) => result): void {
  const root = mkdtempSync(path.join(tmpdir(), 'docker-cli-'));
  const shell = (script: string): Result => {
    const env = { PATH: process.env['PATH'], HOME: root, SANDBOX_ROOT: root };
    const { status, stdout } = spawnSync('sh', ['-c', `exec 2>&1; docker() { ${program()} "$@"; }\n${script}`], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    return { code: status ?? -1, out: stdout.replaceAll(/\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b/g, 'ID') };
  };
  beforeAll(() => void shell('docker pull small:1'));
  afterAll(() => {
    shell('docker rm -f $(docker ps -aq)');
    rmSync(root, { recursive: true, force: true });
  });
  test.each(scripts)('%s', (_what, script, expected) => expect(seen(shell(script))).toEqual(seen(expected)));
}

const standIn = path.resolve(__dirname, '../../../dist/sandbox/bin-instance/docker');

describe('the stand-in docker', () => {
  if (spawnSync('unshare', ['--map-root-user', '--pid', '--fork', '--mount-proc', 'true']).status === 0)
    cases(() => standIn);
  else describeSkipped('this machine refuses namespaces of processes', 'its commands');

  test('has no container where the kernel gives it no processes of its own, and says so', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'docker-refused-'));
    mkdirSync(path.join(root, 'bin'));
    writeFileSync(path.join(root, 'bin/unshare'), '#!/bin/sh\necho "unshare: Operation not permitted" >&2; exit 1\n', {
      mode: 0o755,
    });
    const env = { PATH: `${root}/bin:${process.env['PATH']}`, HOME: root, SANDBOX_ROOT: root };
    const { status, stderr } = spawnSync(standIn, ['run', '--detach', 'small:1', 'sh'], { env, encoding: 'utf8' });
    expect(stderr).toContain(
      "the stand-in can't give the container processes of its own here: unshare: Operation not permitted",
    );
    expect(status).toBe(125);
    rmSync(root, { recursive: true });
  });
});

describeWithDocker('a real docker, by the same cases', (daemon) => {
  beforeAll(() => daemon.importImage('small:1'));
  cases(() => daemon.program, withoutWords);
});
