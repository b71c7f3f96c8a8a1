import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DiffResponse } from '@pulumi/pulumi/proto/provider_pb';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider } from './support/fake-provider';
import { jobProgram } from './support/job-program';
import {
  parseCalls,
  playback,
  recordedDestroy,
  recordedInputs,
  recordedUp,
  steady,
  type RecordedCall,
} from './support/recording';

/**
 * Services that the sandbox's engine does not have: plugins of other languages ask for them,
 * alicloud does not.
 */
const OTHER_SERVICES = ['loadertarget', 'mappertarget', 'resolvertarget'];

describeWithFixtures('the calls between engine, program and provider', 'pulumi', () => {
  let host: Machine;
  let provider: FakeProvider;
  const log = () => path.join(host.directory, 'calls.jsonl');

  beforeEach(async () => {
    host = machine('p');
    provider = await fakeProvider(playback(recordedUp()));
    provider.putOnPath(host.bin, 'alicloud');
  });
  afterEach(() => {
    provider.close();
    host.remove();
  });

  const stack = async () =>
    host.stack('job-1001', jobProgram(recordedInputs(recordedUp())), { PULUMI_DEBUG_GRPC: log() });
  const calls = () => parseCalls(readFileSync(log(), 'utf8'));

  it('are those of the recording in an update, with the same content', async () => {
    await (await stack()).up();
    const [ours, real] = [calls(), recordedUp()];
    for (const call of real) expect(contentOf(twin(call, ours))).toEqual(contentOf(inOurNames(call)));
    expect(ours).toHaveLength(real.length);
  });

  it('come in the order of the recording in an update, resource by resource', async () => {
    await (await stack()).up();
    expect(sequences(calls())).toEqual(sequences(recordedUp()));
  });

  it('are those of the recording in a destroy, with the same content and order', async () => {
    const file = path.join(host.state, '.pulumi/stacks/gitlab-spot/job-1001.json');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, fixture('pulumi/checkpoint-after-up.json'));
    const destroyed = await stack();
    rmSync(log(), { force: true });
    await destroyed.destroy();
    const [ours, real] = [calls(), recordedDestroy()];
    // The recorded destroy is of another run of the same program: its instance is released at
    // another minute.
    const content = (call: RecordedCall) =>
      JSON.parse(JSON.stringify(contentOf(call)).replace(/2026-11-24T15:\d\d:00Z/g, 'RELEASE')) as object;
    for (const call of real) expect(content(twin(call, ours))).toEqual(content(inOurNames(call)));
    expect(sequences(ours)).toEqual(sequences(real));
  });
});

/** The call of ours that stands where a recorded one stands. */
function twin(recorded: RecordedCall, calls: RecordedCall[]): RecordedCall {
  const key = ({ method, progress, request }: RecordedCall) =>
    `${progress} ${method} ${steady(String(request.urn ?? ''))} ${request.type ?? ''} ${String(request['name'] ?? '')}`;
  const found = calls.find((call) => key(call) === key(recorded));
  if (!found) throw new Error(`the engine never made the call ${key(recorded)}`);
  return found;
}

/**
 * A recorded call as our log writes it: fields of messages in lower case, enumerations as numbers.
 */
function inOurNames(call: RecordedCall): RecordedCall {
  const message = (value: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).map(([name, field]) => {
        if (name === 'changes') return [name, DiffResponse.DiffChanges[field as 'DIFF_NONE']];
        return [name.toLowerCase(), name === 'info' ? message(field as Record<string, unknown>) : field];
      }),
    );
  return { ...call, request: message(call.request), ...(call.response && { response: message(call.response) }) };
}

function contentOf({ method, request, response, errors, metadata, progress }: RecordedCall): object {
  const shown = method.endsWith('/GetDeploymentInfo')
    ? { ...response, supportedfeatures: 'fewer: no transforms and hooks' }
    : response;
  const content = steady({ method, request, response: shown, errors, metadata, progress }, OTHER_SERVICES);
  // Sets, in whatever order the program's promises were ready; and folders of the machine where it
  // ran.
  return JSON.parse(
    JSON.stringify(content, (key, value: unknown) => {
      if (key === 'dependencies') return [...(value as string[])].sort();
      return ['rootdirectory', 'programdirectory', 'pwd'].includes(key) ? 'FOLDER' : value;
    }),
  ) as object;
}

/** What happens to each resource, in its order; and the calls that are about none. */
function sequences(calls: RecordedCall[]): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const { method, progress, request } of calls) {
    const about =
      steady(String(request.urn ?? '')) ||
      (request.type ? `${request.type} ${String(request['name'])}` : method.split('/')[0]!);
    (result[about] ??= []).push(`${progress} ${method.split('/')[1]!}`);
  }
  return result;
}
