// Whether a revoked grant is really over: asked in a way that can neither renew nor replace anything, where there is one.
// RFC 7662 section 2.2 (introspection), RFC 6750 section 3.1 (401), RFC 6749 section 5.2 (`invalid_grant`), in this order.
import {
  type Client,
  discover,
  introspectToken,
  isGrantDead,
  probeAccessToken,
  type Registration,
  type RequestOptions,
  refreshTokenGrant,
  resolveEndpoints,
  revokeToken,
  type TokenSet,
} from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'
import { pause } from './pause.ts'

/** What a probe found. */
export interface Confirmation {
  /** `true`: the grant is over. `false`: something of it still works. Absent: there is no safe way to find out. */
  confirmed?: boolean
  /** What still works, or why nobody can tell. */
  why?: string
}

/** How long a provider gets to tell all its servers, in milliseconds, before it is asked a second time. */
const secondLookMs = 300

/**
 * Asks whether a grant that was revoked is over. A provider that says no is asked once more after a moment.
 *
 * @param tokens those that were revoked.
 */
export async function confirmRevocation(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Confirmation> {
  try {
    const registration = { provider: await withWaysToAsk(provider, client, options), client }
    const first = await look(registration, tokens, options)
    if (first?.confirmed === false) {
      await pause(secondLookMs, options.signal ?? new AbortController().signal)
      return (await look(registration, tokens, options)) ?? first
    }
    return first ?? (await byRefresh(registration, tokens, options)) ?? cannotTell(provider.id)
  } catch {
    return { why: `${provider.id} could not be asked whether the grant is over.` }
  }
}

/** A row may name the endpoints of a consent and leave it to the issuer to name the others. */
async function withWaysToAsk(provider: Provider, client: Client, options: RequestOptions): Promise<Provider> {
  const resolved = await resolveEndpoints(provider, client, options)
  const { introspectionUrl, userinfoUrl, issuer } = resolved
  if (introspectionUrl !== undefined || userinfoUrl !== undefined || issuer === undefined) return resolved
  const found = await discover(issuer, options).catch(() => undefined)
  return {
    ...resolved,
    ...(found?.introspectionUrl === undefined ? {} : { introspectionUrl: found.introspectionUrl }),
    ...(found?.userinfoUrl === undefined ? {} : { userinfoUrl: found.userinfoUrl }),
  }
}

function cannotTell(provider: string): Confirmation {
  return { why: `${provider} offers no way to check it that could not renew the grant.` }
}

/** Asks what changes nothing, whatever the answer. */
async function look(
  registration: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Confirmation | undefined> {
  return (
    (await byIntrospection(registration, tokens, options)) ?? (await byWhoAmI(registration, tokens, options))
  )
}

async function byIntrospection(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Confirmation | undefined> {
  if (provider.introspectionUrl === undefined) return undefined
  const { refreshToken, accessToken } = tokens
  const ask = async (token: string, tokenTypeHint: 'access_token' | 'refresh_token') =>
    (await introspectToken(provider, client, token, { ...options, tokenTypeHint })).active
  try {
    if (refreshToken !== undefined && (await ask(refreshToken, 'refresh_token')))
      return { confirmed: false, why: `${provider.id} still calls the refresh token active.` }
    return (await ask(accessToken, 'access_token')) ? stillWorks(provider.id, tokens) : { confirmed: true }
  } catch {
    // Not every client may introspect.
    return undefined
  }
}

async function byWhoAmI(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Confirmation | undefined> {
  const fetch = options.fetch ?? client.fetch
  // Asked without our certificate, a bound token would seem to be dead (RFC 8705 sections 3 and 5).
  const url = isBound(provider, client) ? provider.mtlsEndpoints?.userinfoUrl : undefined
  const asked = url === undefined ? provider : { ...provider, userinfoUrl: url }
  const found = await probeAccessToken(asked, tokens, { ...options, fetch })
  if (found === 'unknown') return undefined
  return found === 'refused' ? { confirmed: true } : stillWorks(provider.id, tokens)
}

/** Whether access tokens belong to our TLS certificate. */
function isBound(provider: Provider, client: Client): boolean {
  const method = client.tokenEndpointAuthMethod ?? provider.tokenEndpointAuthMethod ?? ''
  return provider.certificateBoundTokens === true || method.endsWith('tls_client_auth')
}

/**
 * Only where refresh tokens are never replaced: if it is alive after all, nothing but another access token comes of it.
 * What comes of it is revoked at once.
 */
async function byRefresh(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Confirmation | undefined> {
  if (provider.refreshTokenRotation !== false || tokens.refreshToken === undefined) return undefined
  try {
    const { accessToken, refreshToken } = await refreshTokenGrant(provider, client, tokens, options)
    // A provider that replaces it after all: nobody else would ever know of the new one.
    const replaced = refreshToken !== undefined && refreshToken !== tokens.refreshToken
    for (const token of [...(replaced ? [refreshToken] : []), accessToken])
      await revokeToken(provider, client, token, options).catch(() => {
        // What counts is said below.
      })
    return { confirmed: false, why: `${provider.id} still accepts the refresh token.` }
  } catch (error) {
    return isGrantDead(error) ? { confirmed: true } : undefined
  }
}

function stillWorks(provider: string, { expiresAt }: TokenSet): Confirmation {
  const end = expiresAt === null ? 'and has no end' : `until ${expiresAt.toISOString()}`
  return { confirmed: false, why: `${provider} still accepts the access token, ${end}.` }
}
