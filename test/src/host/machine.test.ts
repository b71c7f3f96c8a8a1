import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { machineId } from '../../../src/host/machine';

let work: string;
let count = 0;
beforeEach(() => (work = mkdtempSync(path.join(tmpdir(), 'machine-'))));
afterEach(() => rmSync(work, { recursive: true }));

/** A state folder, perhaps a copy of another. */
function state(copyOf?: string): string {
  const folder = path.join(work, `state-${count++}`);
  if (copyOf) cpSync(copyOf, folder, { recursive: true });
  else mkdirSync(folder);
  return folder;
}
/** A machine with these cards, and a bridge that hangs on no device. */
function net(...cards: string[]) {
  const folder = path.join(work, `net-${count++}`);
  cards.forEach((address, index) => {
    mkdirSync(path.join(folder, `eth${index}`, 'device'), { recursive: true });
    writeFileSync(path.join(folder, `eth${index}`, 'address'), `${address}\n`);
  });
  mkdirSync(path.join(folder, 'docker0'), { recursive: true });
  writeFileSync(path.join(folder, 'docker0', 'address'), `02:42:00:00:00:0${count % 10}\n`);
  return { net: folder, machineId: path.join(work, 'machine-id') };
}

const A = '00:16:3e:00:00:0a';
const B = '00:16:3e:00:00:0b';

describe('a machine', () => {
  test('is itself again, whatever it is called, and with one card more or less', () => {
    const folder = state();
    const id = machineId(folder, net(A));
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(machineId(folder, net(A, B))).toBe(id);
    expect(machineId(folder, net(B))).toBe(id);
  });

  test('is found out on a host that has no state folder yet', () => {
    const folder = path.join(work, 'not', 'there');
    const id = machineId(folder, net(A));
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('is none of those beside it, and the same when it has lost its disk', () => {
    expect(machineId(state(), net(A))).not.toBe(machineId(state(), net(B)));
    expect(machineId(state(), net(A))).toBe(machineId(state(), net(A)));
  });

  test('whose disk was copied to another is not that one, and each stays what it is', () => {
    const original = state();
    const id = machineId(original, net(A));
    const copy = state(original);
    const other = machineId(copy, net(B));
    expect(other).not.toBe(id);
    expect(machineId(copy, net(B))).toBe(other);
    expect(machineId(original, net(A))).toBe(id);
  });

  test('in a container without cards of its own goes by its volume', () => {
    const volume = state();
    const id = machineId(volume, net(A));
    expect(machineId(volume, net())).toBe(id);
    expect(machineId(volume, net(A, B))).toBe(id);
  });

  test('without cards goes by /etc/machine-id, and is nobody in particular without that', () => {
    expect(machineId(state(), net())).toBeUndefined();
    writeFileSync(path.join(work, 'machine-id'), 'c0ffee\n');
    const id = machineId(state(), net());
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(machineId(state(), net())).toBe(id);
  });

  test('whose note is damaged gets another, one that a later version wrote is left alone', () => {
    const folder = state();
    writeFileSync(path.join(folder, 'machine.json'), '{"id":');
    const id = machineId(folder, net(A));
    expect(machineId(folder, net(A, B))).toBe(id);
    writeFileSync(path.join(folder, 'machine.json'), '{"version":2}');
    expect(() => machineId(folder, net(B))).toThrow('machine.json is of version 2');
  });
});
