import { Struct } from 'google-protobuf/google/protobuf/struct_pb';
import { type Properties } from './values';

/** A property map as it travels; entries that are undefined are left out. */
export function toStruct(properties: Properties): Struct {
  return Struct.fromJavaScript(JSON.parse(JSON.stringify(properties)) as Properties);
}

/** What a message holds; a field that is not set is an empty map. */
export function fromStruct(struct: Struct | undefined): Properties {
  return (struct?.toJavaScript() ?? {}) as Properties;
}
