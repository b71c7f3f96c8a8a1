/** Injected faults: which of them the next call meets. */
import type { Random } from '../model/random';
import type { CloudState } from '../model/records';
import type { Fault } from '../types';
import type { Parameters } from './parameters';

/** The first fault that this call meets, used up by one; undefined for none. */
export function takeFault(
  state: CloudState,
  random: Random,
  action: string,
  parameters: Parameters,
): Fault | undefined {
  const index = state.faults.findIndex(
    (fault) =>
      meets(fault, action, parameters) && (fault.probability === undefined || random.next() < fault.probability),
  );
  const fault = state.faults[index];
  if (fault?.times === undefined) return fault;
  if (fault.times <= 1) state.faults.splice(index, 1);
  else state.faults[index] = { ...fault, times: fault.times - 1 };
  return fault;
}

function meets(fault: Fault, action: string, parameters: Parameters): boolean {
  if (fault.action !== '*' && fault.action !== action) return false;
  return Object.entries(fault.match ?? {}).every(([name, value]) => parameters[name] === value);
}
