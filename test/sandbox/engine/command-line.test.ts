import { ROOT } from '../../../sandbox/engine/cli/commands';
import { checkArgs, parseLine } from '../../../sandbox/engine/cli/parse';
import { machine, type Machine } from './support/engine';

const parse = (line: string) => {
  const parsed = parseLine(ROOT, line.split(' ').filter(Boolean));
  checkArgs(parsed);
  return parsed;
};

describe('a command line', () => {
  it.each([
    ['up --yes --stack dev', 'up', { yes: 'true', stack: 'dev' }, []],
    ['--cwd /x up -y -s dev', 'up', { cwd: '/x', yes: 'true', stack: 'dev' }, []],
    ['up -yfsdev', 'up', { yes: 'true', 'skip-preview': 'true', stack: 'dev' }, []],
    ['-s dev stack output --json ip', 'output', { stack: 'dev', json: 'true' }, ['ip']],
    ['stack --stack=dev ls -a', 'ls', { stack: 'dev', all: 'true' }, []],
    ['stack history --page-size 1 --page=2', 'history', { 'page-size': '1', page: '2' }, []],
    ['stack init dev --non-interactive', 'init', { 'non-interactive': 'true' }, ['dev']],
    ['stack rm --yes dev --force=false', 'rm', { yes: 'true', force: 'false' }, ['dev']],
    ['config set key -- --value', 'set', {}, ['key', '--value']],
    ['destroy --skip-preview', 'destroy', { 'skip-preview': 'true' }, []],
    ['history', undefined, {}, []],
    ['preview --stack a --stack b', 'preview', { stack: 'b' }, []],
  ])('%s', (line, command, flags, args) => {
    if (command === undefined) return expect(() => parse(line)).toThrow('unknown command "history" for "pulumi"');
    const parsed = parse(line);
    expect(parsed.command.name).toBe(command);
    expect(Object.fromEntries(parsed.flags.names().map((name) => [name, parsed.flags.string(name)]))).toEqual(flags);
    expect(parsed.args).toEqual(args);
  });

  it.each([
    ['up --nope', 'unknown flag: --nope'],
    ['up -Z', "unknown shorthand flag: 'Z' in -Z"],
    ['up --stack', 'flag needs an argument: --stack'],
    ['up -s', "flag needs an argument: 's' in -s"],
    [
      'stack history --page many',
      'invalid argument "many" for "--page" flag: strconv.ParseInt: parsing "many": invalid syntax',
    ],
    [
      'up --yes=perhaps',
      'invalid argument "perhaps" for "-y, --yes" flag: strconv.ParseBool: parsing "perhaps": invalid syntax',
    ],
    ['config set key', 'accepts 2 arg(s), received 1'],
    ['stack select a b', 'accepts at most 1 arg(s), received 2'],
    ['stack ls extra', 'accepts 0 arg(s), received 1'],
    ['stack foo', 'unknown command "foo" for "pulumi stack"'],
    ['foo', 'unknown command "foo" for "pulumi"'],
  ])('%s is refused: %s', (line, message) => {
    expect(() => parse(line)).toThrow(message);
  });
});

describe('the command', () => {
  let host: Machine;
  beforeEach(() => {
    host = machine();
  });
  afterEach(() => host.remove());

  it.each([
    [
      'up',
      2,
      '--yes or --skip-preview or --preview-only must be passed in to proceed when running in non-interactive mode',
    ],
    ['stack rm dev', 6, "no stack named 'dev' found"],
    ['stack select', 6, 'no stack selected; specify a stack name with --stack'],
    ['stack output', 1, 'no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one'],
    ['stack init a/b/c/d', 1, 'a stack name may only contain alphanumeric, hyphens, underscores, or periods'],
    ['stack init org/dev', 1, "organization name must be 'organization'"],
    ['--cwd /nowhere/at/all stack ls', 1, 'chdir /nowhere/at/all: no such file or directory'],
    ['-C / stack ls', 1, 'no Pulumi.yaml project file found (searching upwards from /)'],
  ])('pulumi %s exits %d and says in a sentence why', async (line, code, message) => {
    const ran = await host.run(...line.split(' '));
    expect(ran.stderr).toContain(`error: ${message}`);
    expect(ran.code).toBe(code);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  it('asks to log in where nobody said where stacks are kept', async () => {
    host.env['PULUMI_BACKEND_URL'] = '';
    expect(await host.run('stack', 'ls')).toMatchObject({
      code: 3,
      stderr: 'error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions\n',
    });
  });

  it('remembers where one logged in', async () => {
    host.env['PULUMI_BACKEND_URL'] = '';
    await host.run('login', `file://${host.state}`);
    expect(await host.run('stack', 'ls')).toMatchObject({ code: 0 });
  });
});
