/** Where the real provider waits, and for how long. */
/** Milliseconds. */
export interface Sleeps {
  /** After RunInstances, before the instance's state is first asked for. */
  readonly create: number;
  /** After DeleteInstance, before the same. */
  readonly delete: number;
  /** After a VPC or vSwitch was created or deleted. */
  readonly network: number;
  /** First pause between two questions for a state; it doubles up to ten thirds of this. */
  readonly poll: number;
  /** What stands for one second in pauses before a failed call is tried again. */
  readonly retry: number;
}

/** What the real provider does. */
const realSleeps: Sleeps = { create: 10_000, delete: 10_000, network: 5_000, poll: 3_000, retry: 1_000 };

export const SLEEPS_VARIABLE = 'SANDBOX_PROVIDER_SLEEPS';

/**
 * Reads `create=200,poll=50` (milliseconds; what is not named stays as it really is).
 * @throws Error that names the variable and what it may hold
 */
export function parseSleeps(value: string | undefined): Sleeps {
  const sleeps: Record<string, number> = { ...realSleeps };
  for (const pair of (value ?? '').split(',').filter((text) => text.trim() !== '')) {
    const [, name, ms] = /^\s*(\w+)\s*=\s*(\d+)\s*$/.exec(pair) ?? [];
    if (name === undefined || !(name in realSleeps)) {
      const example = Object.keys(realSleeps).map((known) => `${known}=50`);
      throw new Error(`${SLEEPS_VARIABLE}="${value}": expected milliseconds by name, such as "${example.join(',')}"`);
    }
    sleeps[name] = Number(ms);
  }
  return sleeps as unknown as Sleeps;
}
