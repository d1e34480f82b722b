// Starting a loopback flow: listen, build the URL, wait for the person. Node only; loaded when a flow starts.
// RFC 8252 section 7.3 (loopback redirection), RFC 6749 section 4.1, RFC 7636 (PKCE).
import { argumentError, ConfigurationError } from '../errors.ts'
import {
  authorizationUrl,
  implicitUrl,
  type Registration,
  resolveEndpoints,
  waitFor,
} from '../oauth/index.ts'
import { splitScopes } from '../providers/index.ts'
import type { FlowRequest, StartedFlow } from './flow.ts'
import { defaultFlowTimeoutMs } from './loopback.ts'
import { callbackAddress } from './loopback-address.ts'
import { browserOpener } from './loopback-browser.ts'
import { listenerCertificate } from './loopback-certificate.ts'
import { emitterFor, type FlowEventBody, Lifetime, LoopbackFlow } from './loopback-flow.ts'
import { stderrFlowLog } from './loopback-log.ts'
import type { LoopbackOptions } from './loopback-options.ts'
import { readPastes } from './loopback-paste.ts'
import { type CallbackSite, openCallbackSite } from './loopback-site.ts'

/** Further parameters of the authorization URL that need the redirect URI to be made. */
export type ExtraParamsFor = (redirectUri: string) => Readonly<Record<string, string>>

/** A {@link FlowRequest} as this flow takes it from its own folder. */
export interface LoopbackRequest extends Omit<FlowRequest, 'extraParams'> {
  extraParams?: Readonly<Record<string, string>> | ExtraParamsFor | undefined
}

/** See {@link Flow.start}. */
export async function startLoopback(
  request: LoopbackRequest,
  options: LoopbackOptions = {},
): Promise<StartedFlow> {
  assertNode()
  const { timeoutMs = defaultFlowTimeoutMs, registration } = request
  if (!(timeoutMs > 0))
    throw argumentError('timeoutMs must be a positive number of milliseconds, or Infinity.')
  request.signal?.throwIfAborted()
  const emit = emitterFor(registration.provider.id, options.onEvent ?? defaultLog(registration, options))
  const expiresAt = new Date(Math.min(Date.now() + timeoutMs, 8.64e15))
  const lifetime = new Lifetime(timeoutMs, request.signal)
  emit({ type: 'start' })
  try {
    const site = await openSite(registration, options, emit, lifetime.signal)
    return await sendAway({ ...site, request, options, emit, lifetime, expiresAt, timeoutMs })
  } catch (error) {
    lifetime.dispose()
    emit({ type: 'stopped' })
    throw lifetime.signal.aborted ? lifetime.signal.reason : error
  }
}

function assertNode(): void {
  if (typeof globalThis.process?.getBuiltinModule === 'function') return
  throw new ConfigurationError(
    'runtime_unsupported',
    'The loopback flow listens on a port, which this runtime cannot do. Use Node.js 22.18 or later, or mount the callback in your own web server (vault.finish).',
  )
}

function defaultLog({ provider }: Registration, { input }: LoopbackOptions) {
  return stderrFlowLog({ name: provider.name ?? provider.id, paste: input !== undefined })
}

type Emit = (event: FlowEventBody) => void

interface OpenSite {
  site: CallbackSite
  redirectUri: string
}

/** Listens; everything slow before the URL exists can be cut short by `signal`. */
async function openSite(
  { client, provider }: Registration,
  options: LoopbackOptions,
  emit: Emit,
  signal: AbortSignal,
): Promise<OpenSite> {
  const address = callbackAddress(client, options)
  const https = options.https || address.https
  const certificate = address.https
    ? await waitFor(listenerCertificate({ ...options, https }), signal)
    : undefined
  const site = await openCallbackSite(address, certificate)
  const redirectUri = address.redirectUri(site.port)
  const kind = certificate === undefined ? {} : { certificate: certificate.kind }
  emit({ type: 'listening', url: new URL(redirectUri).origin, ...kind })
  const registerUrl = provider.registerUrl === undefined ? {} : { registerUrl: provider.registerUrl }
  emit({ type: 'register-hint', redirectUri, ...registerUrl })
  return { site, redirectUri }
}

interface Departure extends OpenSite {
  request: LoopbackRequest
  options: LoopbackOptions
  emit: Emit
  lifetime: Lifetime
  expiresAt: Date
  timeoutMs: number
}

/** Builds the URL and begins to wait. */
async function sendAway(departure: Departure): Promise<StartedFlow> {
  const { site, options, emit, lifetime, expiresAt, request } = departure
  try {
    const { url, urlExpiresAt, pending, registration } = await buildUrl(departure)
    lifetime.signal.throwIfAborted()
    const { pages } = options
    const { fetch, save } = request
    const times = { expiresAt, urlExpiresAt }
    const parts = { registration, pending, url, ...times, site, lifetime, emit, pages, fetch, save }
    const flow = new LoopbackFlow(parts)
    emit({ type: 'authorize-url', url, ...(urlExpiresAt === undefined ? {} : { expiresAt: urlExpiresAt }) })
    openBrowser(flow, departure)
    listenForPastes(flow, departure)
    emit({ type: 'waiting', timeoutMs: departure.timeoutMs })
    return flow
  } catch (error) {
    await site.close()
    throw error
  }
}

async function buildUrl({ request, redirectUri, lifetime, expiresAt }: Departure) {
  const { client } = request.registration
  const { signal } = lifetime
  const { fetch, scopes, extraParams, responseType = 'code' } = request
  const { userScopes, user, account, resources, authorizationDetails, responseMode, maxAge, pushed } = request
  const provider = await waitFor(
    resolveEndpoints(request.registration.provider, client, { fetch, signal }),
    signal,
  )
  const options = {
    redirectUri,
    scopes: typeof scopes === 'string' ? splitScopes(provider, scopes) : scopes,
    userScopes,
    user,
    account,
    resources,
    authorizationDetails,
    responseMode,
    maxAge,
    pushed,
    extraParams: typeof extraParams === 'function' ? extraParams(redirectUri) : extraParams,
    lifetimeMs: expiresAt.getTime() - Date.now(),
    fetch,
    signal,
  }
  const built =
    responseType === 'code' || responseType === 'code id_token'
      ? authorizationUrl(provider, client, { ...options, responseType })
      : implicitUrl(provider, client, { ...options, responseType })
  return { ...(await waitFor(built, signal)), registration: { provider, client } }
}

/** Not awaited: a browser that starts slowly, or not at all, must not hold up the flow (P22). */
function openBrowser(flow: LoopbackFlow, { options, emit }: Departure): void {
  const open = browserOpener(options.openBrowser)
  if (open === undefined) return
  const attempt = async () => open(flow.url)
  attempt().catch((error: unknown) => {
    if (flow.ended) return
    emit({ type: 'browser-failed', message: error instanceof Error ? error.message : 'unknown reason' })
  })
}

function listenForPastes(flow: LoopbackFlow, { options, emit }: Departure): void {
  if (options.input === undefined) return
  const stop = readPastes(options.input, (line) => {
    flow.submit(line).catch((error: unknown) => {
      emit({
        type: 'paste-refused',
        message: error instanceof Error ? error.message : 'It could not be used.',
      })
    })
  })
  flow.onEnd(stop)
}
