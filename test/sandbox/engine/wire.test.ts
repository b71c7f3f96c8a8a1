import * as providerProto from '@pulumi/pulumi/proto/provider_pb';
import * as resourceProto from '@pulumi/pulumi/proto/resource_pb';
import * as languageProto from '@pulumi/pulumi/proto/language_pb';
import { Struct } from 'google-protobuf/google/protobuf/struct_pb';
import fc from '../../support/property';
import * as language from '../../../sandbox/engine/rpc/schema/language';
import * as monitor from '../../../sandbox/engine/rpc/schema/monitor';
import * as provider from '../../../sandbox/engine/rpc/schema/provider';
import { decodeStruct, encodeStruct } from '../../../sandbox/engine/rpc/struct';
import { type Properties } from '../../../sandbox/engine/rpc/values';

const PROPERTIES: Properties = {
  text: 'ü',
  number: 600000000000,
  negative: -1.5,
  yes: true,
  no: false,
  nothing: null,
  list: [1, ['a', {}]],
  map: { a: { b: 'c' } },
};

describe('messages on the wire', () => {
  it('hold structures as the compiled protocol writes them', () => {
    const compiled = Struct.fromJavaScript(PROPERTIES as never).serializeBinary();
    expect(decodeStruct(Buffer.from(compiled))).toEqual(PROPERTIES);
    expect(Struct.deserializeBinary(encodeStruct(PROPERTIES)).toJavaScript()).toEqual(PROPERTIES);
  });

  it('hold any structure', () => {
    const hostile = JSON.parse('{"__proto__": [1]}') as Properties;
    expect(Object.entries(decodeStruct(encodeStruct(hostile)))).toEqual(Object.entries(hostile));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false } as never)), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as Properties;
        expect(decodeStruct(encodeStruct(plain))).toEqual(plain);
      }),
      { numRuns: 50 },
    );
  });

  it('are read by the compiled protocol: a program registers a resource', () => {
    const bytes = monitor.RegisterResourceRequest.encode({
      type: 'a:b:C',
      name: 'n',
      custom: true,
      protect: false,
      object: PROPERTIES,
      dependencies: ['u1', 'u2'],
      propertyDependencies: { p: { urns: ['u1'] } },
      customTimeouts: { create: '5m', update: '', delete: '', read: '' },
      aliases: [{ urn: 'old', spec: undefined }],
      sourcePosition: { uri: 'file:///x', line: 300, column: 7 },
    });
    const read = resourceProto.RegisterResourceRequest.deserializeBinary(bytes);
    expect(read.getObject()!.toJavaScript()).toEqual(PROPERTIES);
    expect(read.getDependenciesList()).toEqual(['u1', 'u2']);
    expect(read.getPropertydependenciesMap().get('p')!.getUrnsList()).toEqual(['u1']);
    expect(read.getCustomtimeouts()!.getCreate()).toBe('5m');
    expect(read.getAliasesList()[0]!.getUrn()).toBe('old');
    expect(read.getSourceposition()!.toObject()).toEqual({ uri: 'file:///x', line: 300, column: 7 });
    expect([read.hasProtect(), read.getProtect(), read.hasRetainondelete()]).toEqual([true, false, false]);
  });

  it('are read from the compiled protocol: a provider compares', () => {
    const answer = new providerProto.DiffResponse();
    answer.setChanges(providerProto.DiffResponse.DiffChanges.DIFF_SOME);
    answer.setReplacesList(['a']);
    answer.setDeletebeforereplace(true);
    const diff = new providerProto.PropertyDiff();
    diff.setKind(providerProto.PropertyDiff.Kind.UPDATE_REPLACE);
    answer.getDetaileddiffMap().set('a', diff);
    expect(provider.DiffResponse.decode(Buffer.from(answer.serializeBinary()))).toMatchObject({
      changes: 'DIFF_SOME',
      replaces: ['a'],
      deleteBeforeReplace: true,
      detailedDiff: { a: { kind: 'UPDATE_REPLACE', inputDiff: false } },
    });
  });

  it('hold maps of text and numbers: a program is run', () => {
    const bytes = language.RunRequest.encode({
      config: { 'p:k': 'v' },
      parallel: 8,
      dryRun: true,
      args: ['a', ''],
      configSecretKeys: ['p:k'],
    });
    const read = languageProto.RunRequest.deserializeBinary(bytes);
    expect([read.getConfigMap().get('p:k'), read.getParallel(), read.getDryrun()]).toEqual(['v', 8, true]);
    expect(read.getArgsList()).toEqual(['a', '']);
  });

  it('keep repeated numbers, packed or not', () => {
    const info = new resourceProto.DeploymentInfo();
    info.setSupportedfeaturesList([0, 3, 5]);
    const read = monitor.DeploymentInfo.decode(Buffer.from(info.serializeBinary())).supportedFeatures;
    expect(read).toEqual(['SECRETS', 'ALIAS_SPECS', 'DELETED_WITH'].map((name) => `RESOURCE_MONITOR_FEATURE_${name}`));
  });

  it('skip fields that are not known', () => {
    const call = new providerProto.CallRequest();
    call.setTok('t');
    call.setParallel(3);
    call.setConfigsecretkeysList(['x']);
    expect(provider.InvokeRequest.decode(Buffer.from(call.serializeBinary()))).toMatchObject({ tok: 't' });
  });

  it('refuse to end in the middle of a field', () => {
    const bytes = encodeStruct({ key: 'a long value' });
    expect(() => decodeStruct(bytes.subarray(0, bytes.length - 3))).toThrow(RangeError);
  });
});
