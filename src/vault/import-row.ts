// What becomes of one connection that is to be imported: the rules of conflicts, and the steps that keep it.
import { ConfigurationError, KeyError } from '../errors.ts'
import type { Registration, TokenSet } from '../oauth/index.ts'
import { provider } from '../providers/index.ts'
import { fingerprint } from '../seal.ts'
import { assertAddress } from './connection.ts'
import { type ForgottenMarks, forgottenMarks } from './forgotten.ts'
import { type ConnectedNote, historyNote, readHistoryNote } from './history-note.ts'
import type { ImportedItem, ImportOptions } from './import.ts'
import type { Found, FoundGrant, ImportSource } from './import-source.ts'
import type { Interior } from './interior.ts'
import { endIfForgotten } from './new-grant.ts'
import type { ConnectionRow, RowAddress } from './store.ts'

/** What is to be done with a grant. */
type Verdict = Pick<ImportedItem, 'outcome' | 'why'>

/** What is known of a provider here: our registration; that no client is set; or why it is not known. */
type Known = Registration | { note: string } | { why: string }

/** Imports connections of one source, one after the other. */
export class ConnectionImporter {
  readonly #inside: Interior
  readonly #words: string
  readonly #options: ImportOptions
  /** Which grant this import has found for which address; `undefined`: it need not be told. */
  readonly #taken: Map<string, string> | undefined
  readonly #providers = new Map<string, Promise<Known>>()

  readonly #forgottenBefore: ForgottenMarks
  #unsettled: ConnectionRow[] = []

  private constructor(inside: Interior, source: ImportSource, options: ImportOptions, marks: ForgottenMarks) {
    this.#inside = inside
    this.#words = source.words
    const { repeats } = source
    if (repeats === undefined || (repeats === 'never' && options.as !== undefined)) this.#taken = new Map()
    this.#options = options
    this.#forgottenBefore = marks
  }

  /** Begins with a source. */
  static async begin(
    inside: Interior,
    source: ImportSource,
    options: ImportOptions,
  ): Promise<ConnectionImporter> {
    return new ConnectionImporter(inside, source, options, await forgottenMarks(inside.store))
  }

  /** Ends again what came in for a person who was forgotten meanwhile, and writes the lines of the audit log. */
  async settle(): Promise<void> {
    const rows = this.#unsettled
    this.#unsettled = []
    const marks = rows.length === 0 ? {} : await forgottenMarks(this.#inside.store)
    for (const row of rows) await endIfForgotten(this.#inside, row, this.#forgottenBefore, marks)
    await this.#inside.audit.flush()
  }

  /**
   * Takes one, or says why not. `undefined`: it was not asked for.
   *
   * @throws {StoreError} {@link KeyError} when the store can take none.
   */
  async import(found: Found): Promise<ImportedItem | undefined> {
    const { user, as, defaultUser, providers } = this.#options
    if (user !== undefined && found.user !== user) return undefined
    if (providers !== undefined && found.provider !== undefined && !providers.includes(found.provider))
      return undefined
    const item = described(found, as ?? found.user ?? defaultUser)
    if ('why' in found) return { ...item, outcome: 'refused', why: sentence(found.why) }
    const known = await this.#known(found.provider)
    const providerId = 'provider' in known ? known.provider.id : found.provider
    const place = this.#placeOf({ ...found, provider: providerId })
    if ('why' in place) return { ...item, outcome: 'refused', why: sentence(place.why) }
    const problem = 'why' in known ? known.why : otherClient(known, found)
    if (problem !== undefined) return { ...item, outcome: 'refused', why: sentence(problem) }
    const verdict = await this.#takeOnce(place, found, 'provider' in known ? known : undefined)
    const notes = [found.note, 'note' in known ? known.note : undefined].filter((note) => note !== undefined)
    const note =
      verdict.outcome === 'imported' && notes.length > 0 ? { note: notes.map(sentence).join(' ') } : {}
    return { ...item, provider: providerId, account: place.account, ...verdict, ...note }
  }

  #placeOf({ user, provider, account = 'default' }: FoundGrant): RowAddress | { why: string } {
    const whose = this.#options.as ?? user ?? this.#options.defaultUser
    if (whose === undefined) return { why: 'it says of no user whose it is: say as whom to import it' }
    try {
      assertAddress({ user: whose, provider, account }, true)
    } catch (error) {
      return { why: error instanceof Error ? error.message : 'its address is not usable' }
    }
    return { tenant: this.#inside.tenant, user: whose, provider, account }
  }

  /** Two grants at one address would be one: the second is said no to, however new it is. */
  async #takeOnce(place: RowAddress, found: FoundGrant, registration?: Registration): Promise<Verdict> {
    if (this.#taken === undefined) return this.#take(place, found, registration)
    const { accessToken, refreshToken } = found.tokens
    const address = short(place.user, place.provider, place.account)
    const grant = short(...(refreshToken === undefined ? ['', accessToken] : [refreshToken]))
    const before = this.#taken.get(address)
    if (before === grant) return { outcome: 'unchanged' }
    if (before !== undefined)
      return refused(
        'an earlier entry of this source is another grant for the same address: import them one by one, as different users or with an account of its own each',
      )
    const verdict = await this.#take(place, found, registration)
    if (verdict.outcome !== 'refused') this.#taken.set(address, grant)
    return verdict
  }

  #known(id: string): Promise<Known> {
    const known = this.#providers.get(id) ?? this.#lookUp(id)
    this.#providers.set(id, known)
    return known
  }

  async #lookUp(id: string): Promise<Known> {
    try {
      return await this.#inside.registration(id)
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error
      if (error.code !== 'client_missing' || !(await isInCatalogue(id))) return { why: error.message }
      return { note: `It cannot be renewed before a client is set. ${error.message}` }
    }
  }

  async #take(
    place: RowAddress,
    found: FoundGrant,
    registration: Registration | undefined,
  ): Promise<Verdict> {
    for (;;) {
      const [row] = await this.#inside.store.list(place, { limit: 1 })
      const verdict = row === undefined ? taken : await this.#judge(row, found)
      if (verdict.outcome !== 'imported' || this.#options.dryRun === true) return verdict
      if (await this.#put(place, found, row, registration)) return verdict
    }
  }

  /** Whether what was found takes the place of what is kept. */
  async #judge(row: ConnectionRow, found: FoundGrant): Promise<Verdict> {
    const { replace = false } = this.#options
    // Half gone already, with a move or a disconnect that was killed: nobody is served from it any more.
    if (row.status === 'revoked') return taken
    const kept = await this.#open(row)
    if (kept !== undefined && isSameGrant(kept, found.tokens)) return { outcome: 'unchanged' }
    if (replace) return taken
    if (kept === undefined)
      return refused(
        'the connection that is kept here cannot be opened; replacing it puts this one in its place',
      )
    const isAlive = row.status === 'active'
    if (isAlive && found.dead !== undefined) return { outcome: 'newer_here' }
    if (!isAlive) return taken
    if (row.receivedAt >= found.tokens.receivedAt.getTime()) return { outcome: 'newer_here' }
    if (await this.#isUntouchedImport(row)) return taken
    return refused(
      'another grant is kept here at this address; replacing it puts this one in its place, and revokes nothing',
    )
  }

  async #open(row: ConnectionRow): Promise<TokenSet | undefined> {
    const { sealed, store } = this.#inside
    try {
      let isFirst = true
      return await sealed.reading(async () => {
        const current = isFirst ? row : await store.get(row.id)
        isFirst = false
        return current === undefined ? undefined : sealed.open(current)
      })
    } catch (error) {
      if (error instanceof KeyError && error.code === 'sealed_data_invalid') return undefined
      throw error
    }
  }

  /** Whether the row came by an import and nothing has happened to it since: a newer state of the same may follow. */
  async #isUntouchedImport({ id, generation }: ConnectionRow): Promise<boolean> {
    const last = (await this.#inside.store.history(id)).findLast(({ type }) => type === 'connected')
    const note = last && readHistoryNote(last, 'connected')
    return last?.generation === generation && note?.importedFrom !== undefined
  }

  async #put(
    place: RowAddress,
    found: FoundGrant,
    before: ConnectionRow | undefined,
    registration: Registration | undefined,
  ): Promise<boolean> {
    const { store, sealed, events, cache, audit, now } = this.#inside
    const { tokens } = found
    const id = before?.id ?? globalThis.crypto.randomUUID()
    const generation = (before?.generation ?? 0) + 1
    const receivedAt = tokens.receivedAt.getTime()
    const life = {
      provider: registration?.provider,
      usedAt: found.usedAt ?? receivedAt,
      grantedAt: found.grantedAt ?? receivedAt,
      aheadMs: store.now() - now(),
    }
    const put = () =>
      store.putGrant(
        { ...place, ...sealed.seal({ ...place, id, generation }, tokens, life), id, generation },
        historyNote('connected', this.#note(found)),
      )
    const row = await events.record({ type: 'connected', id, generation }, async () =>
      (await sealed.writing(put)) ? store.get(id) : undefined,
    )
    if (row === undefined) return false
    cache.forget(place.user, place.provider, place.account)
    this.#unsettled.push(row)
    if (found.dead !== undefined) await this.#markDead(row, found.dead)
    const { user, provider, account } = place
    audit.record({ action: 'import', outcome: 'ok', user, connections: [{ id, provider, account }] })
    return true
  }

  #note({ tokens, grantedAt, createdAt }: FoundGrant): ConnectedNote {
    return {
      ...{ scopes: tokens.scopes, importedFrom: this.#words },
      ...(grantedAt === undefined ? {} : { grantedAt }),
      ...(createdAt === undefined ? {} : { createdAt }),
    }
  }

  /** A grant that was dead is kept as such: nobody asks the provider again. */
  async #markDead({ id, generation }: ConnectionRow, reason: string): Promise<void> {
    const { store, events } = this.#inside
    const owner = `import-${globalThis.crypto.randomUUID()}`
    if ((await store.acquireLease(id, generation, owner, 10_000)) === undefined) return
    await events.record({ type: 'needs_reconnect', id, generation }, async () =>
      (await store.markNeedsReconnect(id, owner, generation, reason)) ? store.get(id) : undefined,
    )
  }
}

/** A million of them are in memory. */
function short(...parts: readonly string[]): string {
  return fingerprint(JSON.stringify(parts)).slice(0, 16)
}

const taken: Verdict = { outcome: 'imported' }

async function isInCatalogue(id: string): Promise<boolean> {
  return provider(id).then(
    () => true,
    () => false,
  )
}

function refused(why: string): Verdict {
  return { outcome: 'refused', why: sentence(why) }
}

function described(
  { place, provider, account }: Found,
  user: string | undefined,
): Omit<ImportedItem, 'outcome'> {
  return {
    place,
    ...(user === undefined ? {} : { user }),
    ...(provider === undefined ? {} : { provider }),
    ...(account === undefined ? {} : { account }),
  }
}

/** A grant is the same while its refresh token is; without one, while its access token is. */
function isSameGrant(one: TokenSet, other: TokenSet): boolean {
  if (one.refreshToken !== undefined || other.refreshToken !== undefined)
    return one.refreshToken === other.refreshToken
  return one.accessToken === other.accessToken
}

/** RFC 6749 section 6: a refresh token is bound to the client that it was issued to. */
function otherClient(
  known: Exclude<Known, { why: string }>,
  { clientId, provider }: FoundGrant,
): string | undefined {
  if (clientId === undefined || !('client' in known) || known.client.clientId === clientId) return undefined
  return `its tokens were issued to another client than the one that is set here for ${provider}: set client_id to ${JSON.stringify(clientId).slice(0, 200)}, with its secret, in [auth.${provider}], then import again`
}

function sentence(words: string): string {
  const text = words.trim()
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
