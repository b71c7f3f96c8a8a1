/** A job of a pipeline, ready to run: one instance of each of its parallel copies. */
import type { DefaultConfig, RetryConfig } from './schema';

export interface DefinedVariable {
  readonly key: string;
  readonly value: string;
  readonly raw: boolean;
}

export interface DefinedNeed {
  /** Names of the jobs (all parallel copies of one). */
  readonly jobs: readonly string[];
  readonly artifacts: boolean;
}

export interface JobDefinition {
  /** As GitLab shows it: `test`, `test 1/3`, `test: [20, linux]`. */
  readonly name: string;
  /** As the file has it. */
  readonly baseName: string;
  readonly stage: string;
  readonly variables: readonly DefinedVariable[];
  readonly script: readonly string[];
  readonly afterScript: readonly string[];
  readonly releaseScript: readonly string[] | undefined;
  readonly image: DefaultConfig['image'];
  readonly services: NonNullable<DefaultConfig['services']>;
  readonly artifacts: DefaultConfig['artifacts'];
  readonly cache: NonNullable<DefaultConfig['cache']>;
  /** Audiences by the token's name. */
  readonly idTokens: Readonly<Record<string, readonly string[]>>;
  readonly preGetSourcesScript: readonly string[];
  readonly tags: readonly string[];
  /** Undefined: the order of stages decides. */
  readonly needs: readonly DefinedNeed[] | undefined;
  /** Names whose artifacts are fetched; undefined: those of all earlier stages, or of all needs. */
  readonly dependencies: readonly string[] | undefined;
  readonly when: 'on_success' | 'on_failure' | 'always' | 'manual' | 'delayed';
  /** How long a delayed job waits, seconds. */
  readonly startInSeconds: number | undefined;
  readonly allowFailure: boolean | { readonly exitCodes: readonly number[] };
  readonly retry: RetryConfig;
  readonly timeoutSeconds: number | undefined;
  readonly resourceGroup: string | undefined;
  readonly environment:
    { readonly name: string; readonly url?: string; readonly action?: string; readonly tier?: string } | undefined;
  readonly node: { readonly index: number | undefined; readonly total: number };
}

export interface Pipeline {
  readonly stages: readonly string[];
  readonly jobs: readonly JobDefinition[];
  /** What the sandbox passes over, one sentence each. */
  readonly warnings: readonly string[];
}
