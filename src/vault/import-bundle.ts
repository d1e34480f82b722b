// Importing what `export` wrote. The bundle is read to its end once before anything of it is used: it is whole, or it is
// refused.
import { TokenSet } from '../oauth/index.ts'
import { type Bytes, type DeriveKeys, openBundle } from './bundle.ts'
import { type BundledConnection, readBundleLines } from './bundle-lines.ts'
import { asMembers, type Found, type ImportSource, isDeep } from './import-source.ts'

/**
 * Opens a bundle and reads it through.
 *
 * @throws {ImportError} `passphrase_wrong`, `bundle_invalid`.
 */
export async function bundleSource(
  bytes: Bytes,
  passphrase: string,
  now: () => number,
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
    repeats: 'never',
    found: () => readConnections(bundle.texts(), bytes.name, now()),
  }
}

async function* readConnections(
  texts: AsyncIterable<string>,
  name: string,
  now: number,
): AsyncGenerator<Found> {
  let count = 0
  for await (const connection of readBundleLines(texts, name)) {
    count += 1
    yield foundIn(connection, `${name}, connection ${count}`, now)
  }
}

/** Whoever knows the passphrase may have made it up: no member is believed to be what it should. */
function foundIn(connection: Members<BundledConnection>, place: string, now: number): Found {
  const { user, provider, account, status } = connection
  const texts = { user, provider, account, status, tokens: connection.tokens }
  const wrong = Object.entries(texts).find(([, value]) => typeof value !== 'string')
  if (wrong !== undefined) return { place, why: `its member ${wrong[0]} is not what an export writes` }
  const address = { place, user: String(user), provider: String(provider), account: String(account) }
  if (status !== 'active' && status !== 'needs_reconnect')
    return { ...address, why: 'its member status is not what an export writes' }
  const tokens = tokensIn(String(connection.tokens))
  if (tokens === undefined)
    return { ...address, why: 'its tokens were written by another version of toolgrant: update this one' }
  const instants = {
    ...{ grantedAt: instant(connection.grantedAt, now), usedAt: instant(connection.usedAt, now) },
    createdAt: instant(connection.createdAt, now),
  }
  const dead = status === 'active' ? undefined : reasonOf(connection.reason)
  return { ...address, tokens, dead, ...instants }
}

/** The same members, of whatever type. */
type Members<T> = { [Name in keyof T]: unknown }

function tokensIn(text: string): TokenSet | undefined {
  try {
    const tokens = TokenSet.parse(text)
    const { refreshToken = '', idToken = '', tokenType, scopes, extra, raw } = tokens
    const isSound =
      [refreshToken, idToken, tokenType, ...scopes].every((text) => typeof text === 'string') &&
      [extra, raw].every((members) => asMembers(members) !== undefined && !isDeep(members))
    return isSound ? tokens : undefined
  } catch {
    return undefined
  }
}

/** Milliseconds since 1970, and not in the future; else `undefined`. */
function instant(value: unknown, now: number): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Math.min(Number(value), now) : undefined
}

/** Reasons are words of this package. */
function reasonOf(reason: unknown): string {
  return typeof reason === 'string' && /^\w{1,100}$/.test(reason) ? reason : 'refused'
}
