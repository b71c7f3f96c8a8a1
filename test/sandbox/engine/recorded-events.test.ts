import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type EngineEvent } from '@pulumi/pulumi/automation';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { RpcError } from '../../../sandbox/engine/rpc/transport';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider } from './support/fake-provider';
import { jobProgram } from './support/job-program';
import { playback, recordedInputs, recordedUp, steady } from './support/recording';

const REFUSALS = [
  'InvalidAccountStatus.NotEnoughBalance',
  'InvalidSpotPriceLimit.LowerThanPublicPrice',
  'OperationDenied.NoStock',
  'QuotaExceed.ElasticQuota',
];

describeWithFixtures("the engine's events", 'pulumi', () => {
  let host: Machine;
  let provider: FakeProvider;
  let refusal: string | undefined;

  beforeEach(async () => {
    host = machine('p');
    refusal = undefined;
    const script = playback(recordedUp());
    provider = await fakeProvider({
      ...script,
      create: (request) => {
        if (refusal && request.type.endsWith(':Instance')) throw new RpcError(2, refusal);
        return script.create!(request);
      },
      // As the recorded stack was refreshed before its destroy, so that nothing differs.
      diff: () => ({ changes: 'DIFF_NONE' }),
    });
    provider.putOnPath(host.bin, 'alicloud');
  });
  afterEach(() => {
    provider.close();
    host.remove();
  });

  const program = () => jobProgram(recordedInputs(recordedUp()));

  it('of an update are those of the recording', async () => {
    const events: EngineEvent[] = [];
    await (await host.stack('job-1001', program())).up({ onEvent: (event) => events.push(event) });
    expect(comparable(events)).toEqual(comparable(recorded('events-up.jsonl')));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i));
  });

  it('of a destroy are those of the recording', async () => {
    const file = path.join(host.state, '.pulumi/stacks/gitlab-spot/job-1001.json');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, fixture('pulumi/checkpoint-after-up.json'));
    const events: EngineEvent[] = [];
    await (await host.stack('job-1001', program())).destroy({ onEvent: (event) => events.push(event) });
    // The recorded stack had been refreshed: some properties of its instance are other ones.
    const shape = (list: object[]) =>
      JSON.parse(JSON.stringify(list), (key, value: unknown) =>
        ['inputs', 'outputs'].includes(key) ? key : value,
      ) as object;
    expect(shape(comparable(events))).toEqual(shape(comparable(recorded('events-destroy.jsonl'))));
  });

  it.each(REFUSALS)(
    'and the lines of an update whose instance is refused with %s are those of the recording',
    async (code) => {
      const real = recorded(`up-fails-${code}.events.jsonl`);
      const text = fixture(`pulumi/up-fails-${code}.error.txt`);
      refusal = errorText(text);
      const events: EngineEvent[] = [];
      const stack = await host.stack('job-2001', program());
      const error = await stack.up({ onEvent: (event) => events.push(event) }).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(comparable(events)).toEqual(comparable(real));
      expect(lines(error!.message.split('\n').slice(3).join('\n'))).toEqual(
        lines(text.split('\n').slice(4).join('\n')),
      );
    },
  );

  it('go to a file as they go to a server', async () => {
    const file = path.join(host.directory, 'events.jsonl');
    writeFileSync(path.join(host.project, 'package.json'), '{}');
    await host.run('stack', 'init', 'job-1');
    await host.run('destroy', '--yes', '--skip-preview', '--event-log', file);
    const written = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EngineEvent);
    expect(written.map((event) => Object.keys(event)[2])).toEqual(['preludeEvent', 'summaryEvent', 'cancelEvent']);
  });
});

function recorded(name: string): EngineEvent[] {
  return fixture(`pulumi/${name}`)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EngineEvent);
}

/**
 * What the provider said, as it stands in the diagnostics: with the colours that a terminal sees.
 */
function errorText(recordedText: string): string {
  const [, rest] = recordedText.split('  alicloud:ecs:Instance (job):\n    error: ');
  return `${rest!.split('\n\n')[0]!.replace(/\n {4}/g, '\n')}\n`;
}

/**
 * The events of the engine itself: without what program and provider log, and without what differs
 * from run to run.
 */
function comparable(events: readonly EngineEvent[]): object[] {
  const own = events.filter(({ diagnosticEvent }) => (diagnosticEvent?.severity as string | undefined) !== 'debug');
  const plain = own.map((event) => {
    const { summaryEvent } = event;
    return steady({ ...event, ...(summaryEvent && { summaryEvent: { ...summaryEvent, durationSeconds: 0 } }) }, [
      'sequence',
    ]);
  });
  const text = JSON.stringify(plain)
    .replace(/2026-11-24T15:\d\d:00Z/g, 'RELEASE')
    .replace(/at \/[^"]*pulumi-resource-alicloud/g, 'at FOLDER')
    .replace(/RequestId[^,}]*|request id: [0-9A-F-]*/g, 'REQUEST');
  const list = JSON.parse(text) as object[];
  // Resources that do not depend on each other come in any order.
  const order = (event: object) =>
    /"(resourcePreEvent|resOutputsEvent)"/.test(JSON.stringify(event)) ? JSON.stringify(event) : '';
  return [
    ...list.filter((event) => !order(event)),
    ...list.filter(order).sort((a, b) => (order(a) < order(b) ? -1 : 1)),
  ];
}

/** Lines in one order and without times; those that show that something goes on are left out. */
function lines(text: string): string[] {
  const end = text.indexOf('\n err?:');
  return (end < 0 ? text : text.slice(0, end))
    .replace(/\(\d+(\.\d+)?s\)/g, '(TIME)')
    .replace(/Duration: .*/, 'Duration')
    .replace(/at \/\S*pulumi-resource-alicloud/g, 'at FOLDER')
    .split('\n')
    .filter((line) => !line.startsWith('@ ') && line.trim() !== '')
    .sort();
}
