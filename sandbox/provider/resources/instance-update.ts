/** Changes of an instance that need no new one. */
import { clientToken, type Params } from '../api/client';
import { equal, text, type Properties } from '../values';
import { callApi } from './calls';
import type { Context } from './resource';
import { optional } from './security-group';
import { changeTags } from './tags';

/**
 * Property by parameter of ModifyInstanceAttribute; those after which the real provider restarts
 * the instance are not changed here.
 */
const ATTRIBUTES = { instanceName: 'InstanceName', description: 'Description' } as const;
const NEEDS_RESTART = ['hostName', 'imageId', 'instanceType', 'keyName', 'password', 'userData', 'vswitchId'];

/**
 * @throws Error for a change that restarts the instance: the stand-in's machines live for one job,
 * and don't restart
 */
export async function updateInstance(
  context: Context,
  id: string,
  before: Properties,
  inputs: Properties,
): Promise<void> {
  const changed = (name: string) => inputs[name] !== undefined && !equal(inputs[name], before[name]);
  const restart = NEEDS_RESTART.filter(changed);
  if (restart.length > 0) {
    throw new Error(
      `this stand-in does not restart instances, which a change of ${restart.join(', ')} needs: destroy the stack and create it anew`,
    );
  }
  const call = (action: string, params: Params, library: 'form' | 'query', where: string) =>
    callApi(context, { action, params, options: { library }, timeoutMs: context.timeouts.update, resource: id, where });

  await changeTags(context, 'instance', id, before['tags'], inputs['tags']);
  const attributes = Object.entries(ATTRIBUTES).filter(([name]) => changed(name));
  if (attributes.length > 0) {
    const params = Object.fromEntries(attributes.map(([name, param]) => [param, optional(inputs[name])]));
    const token = clientToken('ModifyInstanceAttribute');
    const all = { ...params, ClientToken: token, InstanceId: id };
    await call('ModifyInstanceAttribute', all, 'form', 'resource_alicloud_instance.go:2960');
  }
  if (changed('autoReleaseTime')) {
    const params = { InstanceId: id, AutoReleaseTime: text(inputs['autoReleaseTime']) };
    await call('ModifyInstanceAutoReleaseTime', params, 'query', 'resource_alicloud_instance.go:1893');
  }
}
