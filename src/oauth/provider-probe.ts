// Asking a provider's endpoints whether they answer, without a token, a code or a client secret in any request.
// RFC 9110 section 6.6.1 (Date) tells the clock; RFC 6749 section 4.1.2.1 what a server says of a wrong redirect URI.
import { ConfigurationError, NetworkError, ToolgrantError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { authorizationUrl } from './authorization.ts'
import type { Registration } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { firstWords } from './first-words.ts'
import type { RequestOptions } from './request-options.ts'
import { assertSecureUrl } from './secure-url.ts'
import { systemWord } from './system-word.ts'
import { waitFor } from './wait.ts'

/** Options of `probeProvider`. */
export interface ProbeOptions extends RequestOptions {
  /** Time limit of each request, in milliseconds. Default 5000. */
  timeoutMs?: number | undefined
  /**
   * `metadata`: reads what the issuer publishes and asks nothing else. Default `endpoints`: also whether the token
   * endpoint answers, and whether the authorization endpoint refuses our client or redirect URI.
   */
  extent?: 'metadata' | 'endpoints' | undefined
  /** The redirect URI to ask about. Default: the client's; without one that question is left out. */
  redirectUri?: string | undefined
}

/** What a provider's endpoints answered. */
export interface ProviderProbe {
  /** Provider id. */
  provider: string
  /** `answers`; `failing`: HTTP 5xx or 429; `unreachable`: no answer; `not_asked`: there was nothing to ask. */
  state: 'answers' | 'failing' | 'unreachable' | 'not_asked'
  /** HTTP status of the answer. */
  status?: number
  /** How long it took, in milliseconds. */
  ms?: number
  /** The provider's clock minus ours, in milliseconds, to within about a second. */
  clockOffsetMs?: number
  /** What is wrong, in a sentence. */
  problem?: string
  /** The system's word for a connection that failed (`ECONNREFUSED`, `ENOTFOUND`). */
  cause?: string
  /** What the authorization endpoint refuses. Absent: nothing that it says before a person signs in. */
  refused?: 'redirect_uri' | 'client'
}

/** Behind `probeProvider` of probes.ts, which documents it. */
export async function askProvider(
  { provider, client }: Registration,
  options: ProbeOptions,
): Promise<ProviderProbe> {
  const limited = { ...options, timeoutMs: options.timeoutMs ?? 5000 }
  try {
    const resolved = await resolveEndpoints(provider, client, limited)
    if (options.extent === 'metadata') return await probeMetadata(resolved, limited)
    const [answer, refused] = await Promise.all([
      ask(resolved, resolved.tokenUrl, limited),
      refusedRegistration({ provider: resolved, client }, limited),
    ])
    return { ...summary(provider.id, answer), ...(refused === undefined ? {} : { refused }) }
  } catch (error) {
    options.signal?.throwIfAborted()
    return unreachable(provider.id, error)
  }
}

async function probeMetadata(provider: Provider, options: ProbeOptions): Promise<ProviderProbe> {
  if (provider.issuer === undefined) return { provider: provider.id, state: 'not_asked' }
  const { origin, pathname } = new URL(provider.issuer)
  const url = `${origin}${pathname.replace(/\/+$/, '')}/.well-known/openid-configuration`
  return summary(provider.id, await ask(provider, url, options))
}

interface Answer {
  status: number
  ms: number
  clockOffsetMs: number | undefined
  location: string
  text: string
}

/** One GET with nothing of ours in it but what the URL says; redirects are not followed. */
async function ask(provider: Provider, url: string | undefined, options: ProbeOptions): Promise<Answer> {
  if (url === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} names no endpoint to ask. Set tokenUrl, or an issuer to discover it from.`,
    )
  assertSecureUrl(url, options)
  const now = options.now ?? Date.now
  const limits = [AbortSignal.timeout(options.timeoutMs ?? 5000), ...(options.signal ? [options.signal] : [])]
  const [before, started] = [now(), performance.now()]
  const limit = AbortSignal.any(limits)
  const response = await send(provider, url, limit, options)
  const ms = performance.now() - started
  const date = Date.parse(response.headers.get('date') ?? '')
  return {
    status: response.status,
    ms: Math.round(ms),
    // The header has whole seconds; the middle of the request is when it was most likely written.
    clockOffsetMs: Number.isNaN(date) ? undefined : Math.round(date + 500 - (before + now()) / 2),
    location: response.headers.get('location') ?? '',
    text: await waitFor(firstWords(response), limit),
  }
}

async function send(
  provider: Provider,
  url: string,
  signal: AbortSignal,
  options: ProbeOptions,
): Promise<Response> {
  try {
    const headers = { accept: 'application/json, text/html;q=0.5' }
    const sent = (options.fetch ?? globalThis.fetch)(url, { headers, redirect: 'manual', signal })
    return await waitFor(sent, signal) // holds for a `fetch` that does not listen to its signal
  } catch (cause) {
    options.signal?.throwIfAborted()
    const { host } = new URL(url)
    throw new NetworkError(`${provider.id} (${host}) did not answer${reasonOf(cause)}.`, { cause })
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return ' in time'
  const word = systemWord(error)
  return word === undefined ? '' : ` (${word})`
}

function summary(provider: string, { status, ms, clockOffsetMs }: Answer): ProviderProbe {
  const failing = status >= 500 || status === 429
  return {
    provider,
    state: failing ? 'failing' : 'answers',
    ...{ status, ms },
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
    ...(failing ? { problem: `${provider} answers HTTP ${status}.` } : {}),
  }
}

function unreachable(provider: string, error: unknown): ProviderProbe {
  const known = error instanceof ToolgrantError || error instanceof TypeError
  const cause = systemWord(error)
  return {
    provider,
    state: 'unreachable',
    problem: known ? error.message : `${provider} could not be asked.`,
    ...(cause === undefined ? {} : { cause }),
  }
}

/** What the authorization endpoint refuses before anybody signs in. Most say so at once; some only after the sign-in. */
async function refusedRegistration(
  { provider, client }: Registration,
  options: ProbeOptions,
): Promise<ProviderProbe['refused']> {
  const redirectUri = options.redirectUri ?? client.redirectUri
  if (redirectUri === undefined || provider.authorizationUrl === undefined) return undefined
  try {
    // A pushed request would prove who we are; where nothing else is taken, this stays unasked.
    const { url } = await authorizationUrl(provider, client, { ...options, redirectUri, pushed: false })
    return refusalIn(await ask(provider, url, options), redirectUri)
  } catch {
    options.signal?.throwIfAborted()
    // Whether the provider answers at all, the other request says.
    return undefined
  }
}

const wrong =
  'mismatch|unregistered|not (?:been )?(?:registered|valid|allowed|found|match)|invalid|unknown|deleted'
const aboutRedirectUri = new RegExp(
  `redirect[_ -]?ur[il][^]{0,120}(?<![a-z])(?:${wrong})|(?:${wrong})[^]{0,60}redirect[_ -]?ur[il]`,
  'i',
)
const aboutClient = new RegExp(`client[^]{0,60}(?<![a-z])(?:${wrong})|(?:${wrong})[_ -]client`, 'i')

function refusalIn({ status, location, text }: Answer, redirectUri: string): ProviderProbe['refused'] {
  if (status >= 300 && status <= 399) {
    // Sent back to us: the redirect URI is a good one, whatever else there is to say.
    if (location.startsWith(redirectUri)) return undefined
    return aboutRedirectUri.test(inTheClear(location)) ? 'redirect_uri' : undefined
  }
  if (status < 400 || status > 499 || status === 429) return undefined
  if (aboutRedirectUri.test(text)) return 'redirect_uri'
  return aboutClient.test(text) ? 'client' : undefined
}

/** Google's error page has its reason in base64 in a parameter. */
function inTheClear(location: string): string {
  const words = URL.canParse(location) ? [...new URL(location).searchParams.values()] : []
  return [location, ...words.map(fromBase64)].join(' ')
}

function fromBase64(word: string): string {
  try {
    return atob(word.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return ''
  }
}
