/**
 * The framing that S3 clients put around a body they sign or sum up while it is sent:
 * `SIZE;chunk-signature=…`, then the bytes.
 */
import { Transform, type TransformCallback } from 'node:stream';

/**
 * Gives the body without its frames; signatures and trailing sums of the frames are not checked.
 */
export class AwsChunkedDecoder extends Transform {
  private rest = Buffer.alloc(0);
  /**
   * Bytes of the present chunk still to come; undefined: a head is next; -1: only trailers follow.
   */
  private left: number | undefined;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.step());
    done();
  }

  /** Takes one head or piece; false when more has to arrive first. */
  private step(): boolean {
    if (this.left === -1) {
      this.rest = Buffer.alloc(0);
      return false;
    }
    if (this.left === undefined) return this.head();
    if (this.left > 0) return this.piece();
    if (this.rest.length < 2) return false;
    this.rest = this.rest.subarray(2);
    this.left = undefined;
    return true;
  }

  private head(): boolean {
    const end = this.rest.indexOf('\r\n');
    if (end < 0) return false;
    const size = Number.parseInt(this.rest.subarray(0, end).toString('latin1'), 16);
    this.rest = this.rest.subarray(end + 2);
    this.left = size > 0 ? size : -1;
    return true;
  }

  private piece(): boolean {
    if (this.rest.length === 0) return false;
    const piece = this.rest.subarray(0, this.left);
    this.push(piece);
    this.rest = this.rest.subarray(piece.length);
    this.left = (this.left ?? 0) - piece.length;
    return true;
  }
}
