import { CheckRequest, DiffResponse, PropertyDiff } from '@pulumi/pulumi/proto/provider_pb';
import { RegisterResourceRequest } from '@pulumi/pulumi/proto/resource_pb';
import { SourcePosition } from '@pulumi/pulumi/proto/source_pb';
import { plain } from '../../../sandbox/engine/rpc/plain';
import { fromStruct, toStruct } from '../../../sandbox/engine/rpc/struct';
import { type Properties } from '../../../sandbox/engine/rpc/values';

const PROPERTIES: Properties = {
  text: 'ü',
  number: 600000000000,
  negative: -1.5,
  yes: true,
  no: false,
  nothing: null,
  list: [1, ['a', {}]],
  camelCase: { a: { b: 'c' } },
};

test('property maps survive the wire; what is undefined is left out', () => {
  const sent = { ...PROPERTIES, missing: undefined } as unknown as Properties;
  expect(fromStruct(toStruct(sent))).toEqual(PROPERTIES);
  expect(fromStruct(undefined)).toEqual({});
});

describe('a message in the log of calls', () => {
  test('names in lower case what is set, and nothing else', () => {
    const request = new RegisterResourceRequest()
      .setType('a:b:C')
      .setCustom(true)
      .setProtect(false)
      .setObject(toStruct(PROPERTIES))
      .setDependenciesList(['u1', 'u2'])
      .setSourceposition(new SourcePosition().setUri('file:///x').setLine(300));
    const urns = new RegisterResourceRequest.PropertyDependencies().setUrnsList(['u1']);
    request.getPropertydependenciesMap().set('someProperty', urns);
    expect(plain(request)).toEqual({
      type: 'a:b:C',
      custom: true,
      protect: false,
      object: PROPERTIES,
      dependencies: ['u1', 'u2'],
      propertydependencies: { someProperty: { urns: ['u1'] } },
      sourceposition: { uri: 'file:///x', line: 300 },
    });
  });

  test('keeps an empty map apart from none, and shows bytes as base64 and enumerations as numbers', () => {
    expect(plain(new CheckRequest().setOlds(toStruct({})).setRandomseed(new Uint8Array([1, 2])))).toEqual({
      olds: {},
      randomseed: 'AQI=',
    });
    const answer = new DiffResponse().setChanges(DiffResponse.DiffChanges.DIFF_SOME);
    answer.getDetaileddiffMap().set('a', new PropertyDiff().setKind(PropertyDiff.Kind.UPDATE_REPLACE));
    expect(plain(answer)).toEqual({ changes: 2, detaileddiff: { a: { kind: 5 } } });
  });
});
