/** The keywords of `.gitlab-ci.yml` that the sandbox knows, brought into one shape each. */
import { z } from 'zod';
import { durationSeconds } from './durations';

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** `KEY: text` is short for `KEY: { name: text }`. */
function short<T extends z.ZodType>(key: string, schema: T) {
  return z.preprocess((value) => (isObject(value) || value === undefined ? value : { [key]: value }), schema);
}

/** One is short for a list of one; lists within lists are flattened, as GitLab does. */
function listOf<T extends z.ZodType>(item: T) {
  return z.preprocess(
    (value) => (Array.isArray(value) ? value.flat(10) : value === undefined ? value : [value]),
    z.array(item),
  );
}

/** As `listOf`; an entry without a value is none, as with GitLab's own lists of entries. */
function entriesOf<T extends z.ZodType>(item: T) {
  return z.preprocess(
    (value) => (Array.isArray(value) ? value.flat(10).filter((one) => one !== null) : value),
    listOf(item),
  );
}

const text = z.union([z.string(), z.number(), z.boolean()], { error: 'should be text' }).transform(String);
const whole = z.number({ error: 'should be a whole number' }).int('should be a whole number');
const exitCodes = listOf(whole);
const seconds = z
  .union([z.string(), z.number()], { error: 'should be a duration such as `1h 30m`' })
  .transform((value, context) => {
    const found = durationSeconds(String(value));
    if (found === undefined || found <= 0) {
      context.addIssue({ code: 'custom', message: `should be a duration such as \`1h 30m\`, and is \`${value}\`` });
      return z.NEVER;
    }
    return found;
  });

const variableSchema = z.preprocess(
  (value) => (isObject(value) ? value : { value }),
  z.strictObject({
    value: z
      .union([z.string(), z.number(), z.boolean(), z.null()], { error: 'should be text, a number, true or false' })
      .transform((value) => String(value ?? ''))
      .default(''),
    description: text.optional(),
    options: z.array(text).optional(),
    expand: z.boolean({ error: 'should be true or false' }).default(true),
  }),
);
export const variablesSchema = z.record(z.string(), variableSchema, {
  error: 'should be a mapping of names to values',
});

const command = z
  .union([z.string(), z.number(), z.boolean()], { error: 'should be a command or a list of commands' })
  .transform(String);
const scriptSchema = listOf(command);

const dockerSchema = z.strictObject({ user: text.optional(), platform: text.optional() });

const imageSchema = short(
  'name',
  z.strictObject({
    name: z.string({ error: 'should be the name of an image' }),
    entrypoint: listOf(text).optional(),
    pull_policy: listOf(z.enum(['always', 'never', 'if-not-present'])).optional(),
    docker: dockerSchema.optional(),
    kubernetes: z.looseObject({}).optional(),
  }),
);

const serviceSchema = short(
  'name',
  z.strictObject({
    name: z.string({ error: 'should be the name of an image' }),
    alias: z.string().optional(),
    entrypoint: listOf(text).optional(),
    command: listOf(text).optional(),
    variables: variablesSchema.optional(),
    pull_policy: listOf(z.enum(['always', 'never', 'if-not-present'])).optional(),
    docker: dockerSchema.optional(),
    kubernetes: z.looseObject({}).optional(),
  }),
);

const whenUploaded = z.enum(['on_success', 'on_failure', 'always'], {
  error: 'should be on_success, on_failure, or always',
});

export const artifactsSchema = z.strictObject({
  paths: listOf(z.string()).optional(),
  exclude: listOf(z.string()).optional(),
  untracked: z.boolean().optional(),
  name: text.optional(),
  when: whenUploaded.optional(),
  expire_in: text.optional(),
  expose_as: z.string().optional(),
  public: z.boolean().optional(),
  access: z.string().optional(),
  reports: z.record(z.string(), z.unknown()).optional(),
});

export const cacheSchema = z.strictObject({
  key: z
    .union([text, z.strictObject({ files: listOf(z.string()), prefix: text.optional() })], {
      error: 'should be text or a mapping with `files`',
    })
    .optional(),
  paths: listOf(z.string()).optional(),
  untracked: z.boolean().optional(),
  unprotect: z.boolean().optional(),
  when: whenUploaded.optional(),
  policy: text.optional(),
  fallback_keys: listOf(text).optional(),
});

const matrixEntry = z.record(z.string(), listOf(text));
const matrixSchema = listOf(matrixEntry);

const needSchema = short(
  'job',
  z.strictObject({
    job: text.optional(),
    /** Of another pipeline or project: the sandbox has neither. */
    project: text.optional(),
    ref: text.optional(),
    pipeline: text.optional(),
    artifacts: z.boolean().default(true),
    optional: z.boolean().default(false),
    parallel: z.strictObject({ matrix: matrixSchema }).optional(),
  }),
);

const retrySchema = z.preprocess(
  (value) => (typeof value === 'number' ? { max: value } : value),
  z.strictObject(
    {
      max: whole.min(0).max(2, 'should be 0, 1, or 2').default(2),
      when: listOf(z.string()).optional(),
      exit_codes: exitCodes.optional(),
    },
    { error: 'should be 0, 1, 2, or a mapping with `max`, `when`, `exit_codes`' },
  ),
);

const allowFailureSchema = z.union([z.boolean(), z.strictObject({ exit_codes: exitCodes })], {
  error: 'should be true, false, or a mapping with `exit_codes`',
});

const jobWhen = z.enum(['on_success', 'on_failure', 'always', 'manual', 'delayed', 'never'], {
  error: 'should be on_success, on_failure, always, manual, delayed, or never',
});

const pathsSchema = z.preprocess(
  (value) => (isObject(value) ? value : { paths: value }),
  z.looseObject({
    paths: listOf(z.string({ error: 'should be a path or a list of paths' })),
    compare_to: text.optional(),
  }),
);

export const ruleSchema = z.strictObject({
  if: z.string({ error: 'should be an expression' }).optional(),
  changes: pathsSchema.optional(),
  exists: pathsSchema.optional(),
  when: jobWhen.optional(),
  start_in: seconds.optional(),
  allow_failure: allowFailureSchema.optional(),
  variables: variablesSchema.optional(),
  needs: entriesOf(needSchema).optional(),
  interruptible: z.boolean().optional(),
  auto_cancel: z.unknown().optional(),
});
export const rulesSchema = entriesOf(ruleSchema);

const refsSchema = z.preprocess(
  (value) => (isObject(value) ? value : { refs: value }),
  z.strictObject({
    refs: listOf(z.string()).optional(),
    variables: listOf(z.string()).optional(),
    changes: listOf(z.string()).optional(),
    kubernetes: z.string().optional(),
  }),
);

const environmentSchema = short(
  'name',
  z.strictObject({
    name: text,
    url: text.optional(),
    action: text.optional(),
    on_stop: text.optional(),
    auto_stop_in: text.optional(),
    deployment_tier: text.optional(),
    kubernetes: z.unknown().optional(),
  }),
);

const inheritSchema = z.strictObject({
  default: z.union([z.boolean(), z.array(z.string())]).optional(),
  variables: z.union([z.boolean(), z.array(z.string())]).optional(),
});

const releaseSchema = z.looseObject({
  tag_name: z.string(),
  description: z.string(),
  name: z.string().optional(),
  ref: z.string().optional(),
});

/** What `default:` may hold, and a job too. */
const inheritable = {
  before_script: scriptSchema.optional(),
  after_script: scriptSchema.optional(),
  image: imageSchema.optional(),
  services: entriesOf(serviceSchema).optional(),
  artifacts: artifactsSchema.optional(),
  cache: entriesOf(cacheSchema).optional(),
  retry: retrySchema.optional(),
  tags: listOf(text).optional(),
  timeout: seconds.optional(),
  interruptible: z.boolean().optional(),
  hooks: z.strictObject({ pre_get_sources_script: scriptSchema.optional() }).optional(),
  id_tokens: z.record(z.string(), z.strictObject({ aud: listOf(text) })).optional(),
  identity: z.unknown().optional(),
};
export const defaultSchema = z.strictObject(inheritable);

export const jobSchema = z.strictObject({
  ...inheritable,
  stage: z.string({ error: 'should be the name of a stage' }).optional(),
  script: scriptSchema.optional(),
  variables: variablesSchema.optional(),
  needs: entriesOf(needSchema).optional(),
  dependencies: listOf(text).optional(),
  parallel: z
    .union([whole.min(1).max(200), z.strictObject({ matrix: matrixSchema })], {
      error: 'should be a number from 1 to 200 or a mapping with `matrix`',
    })
    .optional(),
  allow_failure: allowFailureSchema.optional(),
  when: jobWhen.optional(),
  start_in: seconds.optional(),
  manual_confirmation: z.string().optional(),
  rules: rulesSchema.optional(),
  only: refsSchema.optional(),
  except: refsSchema.optional(),
  environment: environmentSchema.optional(),
  resource_group: z.string().optional(),
  coverage: z.string().optional(),
  inherit: inheritSchema.optional(),
  release: releaseSchema.optional(),
  pages: z.unknown().optional(),
  publish: z.unknown().optional(),
  secrets: z.unknown().optional(),
  dast_configuration: z.unknown().optional(),
});

export const workflowSchema = z.looseObject({ name: z.string().optional(), rules: rulesSchema.optional() });
export const stagesSchema = listOf(text);

export type JobConfig = z.infer<typeof jobSchema>;
export type DefaultConfig = z.infer<typeof defaultSchema>;
export type Rule = z.infer<typeof ruleSchema>;
export type Refs = z.infer<typeof refsSchema>;
export type VariablesConfig = z.infer<typeof variablesSchema>;
export type Need = z.infer<typeof needSchema>;
export type MatrixEntry = z.infer<typeof matrixEntry>;
export type RetryConfig = z.infer<typeof retrySchema>;
