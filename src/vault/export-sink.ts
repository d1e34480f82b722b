// Where an export writes to: a file that is there whole or not at all, or a stream.
// The file is in bundle-file.node.ts, loaded at first use.
import { argumentError } from '../errors.ts'

/** Where the pieces of a bundle go. */
export interface BundleSink {
  write(part: Uint8Array): Promise<void>
  /** Makes it durable. */
  commit(): Promise<void>
  /** Takes back what was written. */
  discard(reason: unknown): Promise<void>
}

/**
 * A file. A move replaces no bundle.
 *
 * @throws {TypeError} `invalid_argument`; {@link StoreError} as `createBundleFile`.
 */
export async function fileSink(path: string, overwrite: boolean, move: boolean): Promise<BundleSink> {
  const { createBundleFile } = await import('./bundle-file.node.ts')
  const { importKindOf } = await import('./import-kind.ts')
  if (overwrite && move && (await importKindOf(path)) === 'bundle')
    throw argumentError(
      `${path} is a bundle, and may be the only place of what was moved into it before. Choose another name.`,
    )
  return createBundleFile(path, overwrite)
}

/** A stream, closed at the end. */
export function streamSink(stream: WritableStream<Uint8Array>): BundleSink {
  const writer = stream.getWriter()
  return {
    write: async (part) => {
      await writer.ready
      await writer.write(part)
    },
    commit: () => writer.close(),
    discard: (reason) => writer.abort(reason),
  }
}
