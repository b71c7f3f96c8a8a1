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
