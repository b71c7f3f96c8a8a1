import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithDocker } from '../../support/docker';

interface Result {
  readonly code: number;
  readonly out: string;
}

/** A shell script with `docker` as its only peculiarity, and what it must print to both outputs; ids are written as ID. */
const scripts: readonly [what: string, script: string, expected: Result][] = [
  [
    // One output at a time: which of two comes first is nobody's promise.
    'runs a command, passes its outputs on, and tells its exit code',
    'docker run --rm small:1 sh -c "echo out; echo err >&2" 2> /dev/null; docker run --rm small:1 sh -c "echo out; echo err >&2; exit 42" > /dev/null',
    { code: 42, out: 'out\nerr\n' },
  ],
  [
    'passes standard input only with -i',
    'echo in | docker run --rm -i small:1 cat; echo in | docker run --rm small:1 cat',
    { code: 0, out: 'in\n' },
  ],
  [
    'gives the variables and the directory asked for, and none of the caller',
    'export HERE=1 GIVEN=2; docker run --rm -e A=b -e GIVEN -w /somewhere --entrypoint sh small:1 -c "echo \\$A \\$GIVEN \\${HERE-unset}; echo \\${PWD##*/}"',
    { code: 0, out: 'b 2 unset\nsomewhere\n' },
  ],
  [
    'shares a volume',
    'mkdir -p $SANDBOX_ROOT/builds; docker run --rm -v $SANDBOX_ROOT/builds:/builds -w /builds small:1 sh -c "echo x > made"; cat $SANDBOX_ROOT/builds/made',
    { code: 0, out: 'x\n' },
  ],
  [
    'keeps a container in the background, with its log and state',
    [
      'docker run -d --name job1 --label job=1 small:1 sh -c "echo hello; sleep 100" > /dev/null',
      'docker exec job1 sh -c "echo in; exit 3"; echo $?',
      'echo typed | docker exec -i job1 cat',
      'docker inspect -f "{{.State.Running}} {{.State.ExitCode}} {{.Config.Image}}" job1',
      'docker ps --filter label=job=1 --format "{{.Names}} {{.State}}"',
      'until docker logs job1 2>&1 | grep hello; do sleep 0.1; done',
      'docker kill job1',
      'docker wait job1',
      'docker exec job1 true',
    ].join('\n'),
    {
      code: 1,
      out: 'in\n3\ntyped\ntrue 0 small:1\njob1 running\nhello\njob1\n137\nError response from daemon: Container ID is not running\n',
    },
  ],
  [
    'keeps standard input open with -d -i, and closed without',
    [
      'for name in open closed; do docker run -d $([ $name = closed ] || echo -i) --name $name small:1 sh > /dev/null; done',
      'docker wait closed; docker inspect -f "{{.State.Running}}" open',
      'docker rm -f open closed',
    ].join('\n'),
    { code: 0, out: '0\ntrue\nopen\nclosed\n' },
  ],
  [
    'removes by force what runs, with all its processes',
    'docker run -d --name job2 small:1 sleep 100 > /dev/null; docker rm -f -v job2; docker inspect job2',
    { code: 1, out: 'job2\n[]\nError: No such object: job2\n' },
  ],
  [
    'removes nothing that is not there',
    'docker rm -f nope; echo $?; docker rm nope; echo $?',
    { code: 0, out: 'Error: No such container: nope\n0\nError: No such container: nope\n1\n' },
  ],
  [
    'stops in time',
    'docker run -d --name job3 small:1 sleep 100 > /dev/null; docker stop -t 0 job3; docker start job3; docker rm -f job3',
    { code: 0, out: 'job3\njob3\njob3\n' },
  ],
  [
    'makes and removes networks',
    'docker network create net1; docker network create net1; docker network ls -q --filter name=net1; docker network rm net1; docker network rm net1',
    {
      code: 1,
      out: 'ID\nError response from daemon: network with name net1 already exists\nID\nnet1\nError: No such network: net1\n',
    },
  ],
  [
    'refuses a name that is taken',
    'docker run -d --name job4 small:1 sleep 100 > /dev/null; docker run --name job4 small:1 true; echo $?; docker rm -f job4 > /dev/null',
    {
      code: 0,
      out: 'docker: Error response from daemon: Conflict. The container name "/job4" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.\nSee \'docker run --help\'.\n125\n',
    },
  ],
  [
    'doesn’t run an image that it must not pull',
    'docker run --rm --pull never nope:1 true',
    { code: 125, out: "docker: Error response from daemon: No such image: nope:1.\nSee 'docker run --help'.\n" },
  ],
  [
    'tells a program that is not there from one that fails',
    'docker run --rm small:1 no-such-program 2> /dev/null; echo $?; docker run --rm small:1 sh -c no-such-program 2> /dev/null; echo $?',
    { code: 0, out: '127\n127\n' },
  ],
  [
    'refuses a flag that it does not know',
    'docker run --bogus small:1',
    { code: 125, out: "unknown flag: --bogus\nSee 'docker run --help'.\n" },
  ],
  [
    'inspects an image',
    'docker image inspect nope:1; docker image inspect -f "{{.RepoTags}}" small:1 > /dev/null',
    { code: 0, out: '[]\nError: No such image: nope:1\n' },
  ],
  [
    'copies into a container and out of it',
    'echo x > $SANDBOX_ROOT/file; docker create --name job5 small:1 cat /tmp/file > /dev/null; docker cp $SANDBOX_ROOT/file job5:/tmp/file 2> /dev/null; docker cp job5:/tmp/file $SANDBOX_ROOT/back 2> /dev/null; cat $SANDBOX_ROOT/back; docker rm job5',
    { code: 0, out: 'x\njob5\n' },
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
  cases(() => standIn);

  test('asks for a login where a registry does, and takes the password from standard input', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'docker-login-'));
    const docker = (args: string, input = ''): Result => {
      const env = { PATH: process.env['PATH'], HOME: root, SANDBOX_ROOT: root };
      const { status, stdout, stderr } = spawnSync('sh', ['-c', `${standIn} ${args}`], {
        env,
        input,
        encoding: 'utf8',
        timeout: 20_000,
      });
      return { code: status ?? -1, out: stdout + stderr };
    };
    const image = 'private.example:5000/group/image:1';
    expect(docker(`pull ${image}`)).toEqual({
      code: 1,
      out: expect.stringContaining('pull access denied for private.example:5000/group/image') as string,
    });
    expect(docker('login -u me --password-stdin private.example:5000', 'wrong').code).toBe(1);
    expect(docker('login -u me --password-stdin private.example:5000', 'right\n')).toEqual({
      code: 0,
      out: 'Login Succeeded\n',
    });
    expect(JSON.parse(readFileSync(path.join(root, '.docker/config.json'), 'utf8'))).toEqual({
      auths: { 'private.example:5000': { auth: Buffer.from('me:right').toString('base64') } },
    });
    expect(docker(`pull -q ${image}`)).toEqual({ code: 0, out: `${image}\n` });
    rmSync(root, { recursive: true, force: true });
  });

  test('passes a signal on to the container in the foreground', async () => {
    const root = mkdtempSync(path.join(tmpdir(), 'docker-signal-'));
    const ready = path.join(root, 'ready');
    const script = `trap 'exit 9' TERM; touch ${ready}; while :; do sleep 0.05; done`;
    const env = { PATH: process.env['PATH'], HOME: root, SANDBOX_ROOT: root };
    const child = spawn(standIn, ['run', '--rm', '--name', 'front', 'small:1', 'sh', '-c', script], {
      env,
      stdio: 'ignore',
    });
    const exit = new Promise((resolve) => child.once('exit', resolve));
    while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGTERM');
    expect(await exit).toBe(9);
    rmSync(root, { recursive: true, force: true });
  });
});

describeWithDocker('a real docker, by the same cases', (daemon) => {
  beforeAll(() => daemon.importImage('small:1'));
  cases(() => daemon.program, withoutWords);
});
