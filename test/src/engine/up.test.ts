import type { EngineEvent } from '@pulumi/pulumi/automation';
import { EventReader } from '../../../src/engine/up';
import { describeWithFixtures, fixture } from '../../support/fixtures';

const resource = (type: string): EngineEvent =>
  ({ sequence: 0, timestamp: 0, resourcePreEvent: { metadata: { type, op: 'create' } } }) as unknown as EngineEvent;
/** As the real provider notes it (3.108, seen with throttled requests). */
const note = (message: string): EngineEvent =>
  ({ sequence: 0, timestamp: 0, diagnosticEvent: { severity: 'debug', message } }) as unknown as EngineEvent;

test('the provider’s note that it waits for the instance to run is the word that the cloud has accepted it', () => {
  const told: string[] = [];
  const reader = new EventReader({
    onResource: ({ type }) => told.push(type),
    onAccepted: () => told.push('accepted'),
  });
  reader.read(resource('alicloud:ecs/securityGroup:SecurityGroup'));
  reader.read(note('[DEBUG] Waiting for state to become: [success]\n'));
  reader.read(resource('alicloud:ecs/instance:Instance'));
  reader.read(note('[DEBUG] Waiting for state to become: [success]\n'));
  reader.read(note('[TRACE] Waiting 500ms before next try\n'));
  expect(told.at(-1)).toBe('alicloud:ecs/instance:Instance');
  reader.read(note('[DEBUG] Waiting for state to become: [Running]\n'));
  expect(told.at(-1)).toBe('accepted');
  expect(reader.diagnostics).toEqual([]);
});

describe('all beside the instance is made', () => {
  const INSTANCE = 'alicloud:ecs/instance:Instance';
  const GROUP = 'alicloud:ecs/securityGroup:SecurityGroup';
  const RULE = 'alicloud:ecs/securityGroupRule:SecurityGroupRule';
  const made = (type: string, name: string): EngineEvent => {
    const metadata = { type, op: 'create', urn: `urn:pulumi:job::gitlab-spot::${type}::${name}` };
    return { sequence: 0, timestamp: 0, resOutputsEvent: { metadata } } as unknown as EngineEvent;
  };
  function reader() {
    let told = false;
    const events = new EventReader({ onOthersMade: () => (told = true) });
    return { events, told: () => told };
  }

  test('when the last of them is, the instance left out', () => {
    const { events, told } = reader();
    events.declare({ type: GROUP, name: 'job' });
    events.declare({ type: RULE, name: 'ssh-10.0.0.5/32' });
    events.declare({ type: INSTANCE, name: 'job' });
    events.allDeclared();
    events.read(made(GROUP, 'job'));
    expect(told()).toBe(false);
    events.read(made(RULE, 'ssh-10.0.0.5/32'));
    expect(told()).toBe(true);
  });

  test('not while the program may still declare something, nor before a second instance is there', () => {
    const { events, told } = reader();
    events.declare({ type: GROUP, name: 'job' });
    events.read(made(GROUP, 'job'));
    expect(told()).toBe(false);
    events.declare({ type: INSTANCE, name: 'job' });
    events.declare({ type: INSTANCE, name: 'second' });
    events.allDeclared();
    expect(told()).toBe(false);
    events.read(made(INSTANCE, 'second'));
    expect(told()).toBe(true);
  });

  test('at once where the stack consists of its instance', () => {
    const { events, told } = reader();
    events.declare({ type: INSTANCE, name: 'job' });
    events.allDeclared();
    expect(told()).toBe(true);
  });
});

describeWithFixtures('of recorded events', 'pulumi', () => {
  test.each([
    ['events-up.jsonl', ['accepted']],
    ['up-fails-OperationDenied.NoStock.events.jsonl', []],
    ['up-fails-InvalidAccountStatus.NotEnoughBalance.events.jsonl', []],
  ])('%s tell %j', (name, expected) => {
    const told: string[] = [];
    const reader = new EventReader({ onAccepted: () => told.push('accepted') });
    for (const line of fixture(`pulumi/${name}`).trim().split('\n')) reader.read(JSON.parse(line) as EngineEvent);
    expect(told).toEqual(expected);
  });
});
