import * as pulumi from '@pulumi/pulumi';

type Inputs = Record<string, unknown>;

/** What the recording's program gave to each resource, by type. */
export type JobInputs = Record<'securityGroup' | 'securityGroupRule' | 'keyPair' | 'instance', Inputs>;

/** Resources as @pulumi/alicloud has them, without loading it. */
class Resource extends pulumi.CustomResource {
  declare readonly privateIp: pulumi.Output<string>;
  declare readonly publicIp: pulumi.Output<string>;
  constructor(type: string, name: string, inputs: Inputs, options: pulumi.CustomResourceOptions) {
    super(type, name, { privateIp: undefined, publicIp: undefined, ...inputs }, { version: '3.108.0', ...options });
  }
}

/** The program of the recording: security group, rule, key pair, spot instance. */
export function jobProgram(inputs: JobInputs): () => Promise<Inputs> {
  return async () => {
    const make = (type: string, name: string, own: Inputs, options = {}) => new Resource(type, name, own, options);
    const group = make('alicloud:ecs/securityGroup:SecurityGroup', 'job', inputs.securityGroup);
    const rule = make('alicloud:ecs/securityGroupRule:SecurityGroupRule', 'ssh', {
      ...inputs.securityGroupRule,
      securityGroupId: group.id,
    });
    const pair = make('alicloud:ecs/keyPair:KeyPair', 'job', inputs.keyPair);
    const instance = make(
      'alicloud:ecs/instance:Instance',
      'job',
      { ...inputs.instance, securityGroups: [group.id], keyName: pair.id },
      { dependsOn: [rule], additionalSecretOutputs: ['password'] },
    );
    return { instanceId: instance.id, privateIp: instance.privateIp, publicIp: instance.publicIp };
  };
}

/** Small inputs, where only the shape of the stack matters. */
export const SMALL: JobInputs = {
  securityGroup: { vpcId: 'vpc-1' },
  securityGroupRule: { portRange: '22/22' },
  keyPair: { keyPairName: 'job' },
  instance: { instanceType: 'ecs.c7.xlarge' },
};
