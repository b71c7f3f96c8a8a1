/**
 * Where a DIY backend keeps its files: a directory, or a bucket. Keys are slash paths without a
 * leading slash.
 */
export interface Storage {
  /** The backend's URL as a person gave it, without a trailing slash. */
  readonly url: string;
  /** The URL of an object, as error messages show it. */
  objectUrl(key: string): string;
  read(key: string): Promise<Buffer | undefined>;
  /** Replaces an object as a whole: a reader sees the old or the new one. */
  write(key: string, content: Buffer): Promise<void>;
  copy(from: string, to: string): Promise<void>;
  /** Removes an object; it is no error when there is none. */
  remove(key: string): Promise<void>;
  /**
   * The keys directly below a folder (name without the folder), sorted by name; folders end with a
   * slash.
   */
  list(folder: string): Promise<string[]>;
}
