/** The protocol buffer wire format: https://protobuf.dev/programming-guides/encoding/ */
export class Writer {
  private readonly chunks: Buffer[] = [];

  varint(value: number): this {
    if (value < 0) return this.bigVarint(BigInt.asUintN(64, BigInt(value)));
    const bytes: number[] = [];
    let rest = value;
    while (rest > 0x7f) {
      bytes.push((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    bytes.push(rest);
    this.chunks.push(Buffer.from(bytes));
    return this;
  }

  private bigVarint(value: bigint): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.chunks.push(Buffer.from(bytes));
    return this;
  }

  double(value: number): this {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeDoubleLE(value);
    this.chunks.push(bytes);
    return this;
  }

  bytes(value: Buffer): this {
    this.varint(value.length);
    this.chunks.push(value);
    return this;
  }

  tag(field: number, wireType: number): this {
    return this.varint(field * 8 + wireType);
  }

  finish(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** Reads what {@link Writer} writes; throws RangeError on a message that is cut short. */
export class Reader {
  private at = 0;
  constructor(private readonly buffer: Buffer) {}

  get done(): boolean {
    return this.at >= this.buffer.length;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.buffer.readUInt8(this.at++);
      // A negative int32 comes as ten bytes of a 64-bit number; what lies above 2^53 is only its sign.
      if (i < 7) value += (byte & 0x7f) * factor;
      else if (i === 9 && byte & 1) value = -1;
      factor *= 128;
      if (byte < 0x80) break;
    }
    return value;
  }

  double(): number {
    const value = this.buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  bytes(): Buffer {
    const length = this.varint();
    if (this.at + length > this.buffer.length) throw new RangeError('protocol buffer message ends in mid-field');
    const value = this.buffer.subarray(this.at, this.at + length);
    this.at += length;
    return value;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.bytes();
    else if (wireType === 5) this.at += 4;
    else throw new RangeError(`unknown protocol buffer wire type ${wireType}`);
  }
}
