// Importing what `export` wrote. The bundle is read to its end once before anything of it is used: it is whole, or it is
// refused.
import { TokenSet } from '../oauth/index.ts'
import { type Bytes, type DeriveKeys, openBundle } from './bundle.ts'
import { type BundledConnection, readBundleLines } from './bundle-lines.ts'
import type { Found, ImportSource } from './import-source.ts'

/**
 * Opens a bundle and reads it through.
 *
 * @throws {ImportError} `passphrase_wrong`, `bundle_invalid`.
 */
export async function bundleSource(
  bytes: Bytes,
  passphrase: string,
  derive?: DeriveKeys,
): Promise<ImportSource> {
  const bundle = await openBundle(bytes, passphrase, derive)
  let moved = false
  const onTop = (top: { moved: boolean }) => {
    moved = top.moved
  }
  for await (const _ of readBundleLines(bundle.texts(), bytes.name, onTop));
  return {
    words: moved ? 'a toolgrant bundle' : 'a toolgrant bundle (a copy stayed behind)',
    found: () => readConnections(bundle.texts(), bytes.name),
  }
}

async function* readConnections(texts: AsyncIterable<string>, name: string): AsyncGenerator<Found> {
  let count = 0
  for await (const connection of readBundleLines(texts, name)) {
    count += 1
    yield foundIn(connection, `${name}, connection ${count}`)
  }
}

function foundIn(connection: BundledConnection, place: string): Found {
  const { user, provider, account, status, reason, grantedAt, usedAt, createdAt } = connection
  const address = { place, user, provider, account }
  try {
    const tokens = TokenSet.parse(connection.tokens)
    const dead = status === 'needs_reconnect' ? (reason ?? 'refused') : undefined
    return { ...address, tokens, dead, grantedAt, usedAt, createdAt }
  } catch {
    return { ...address, why: 'its tokens were written by another version of toolgrant: update this one' }
  }
}
