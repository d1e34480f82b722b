// One device authorization that waits for its person: from the code to the token set, once. RFC 8628 sections 3.1 to 3.5.
import { argumentError } from '../errors.ts'
import {
  type DeviceAuthorization,
  deviceAuthorization,
  deviceCodeGrant,
  type PendingAuthorization,
  pendingAuthorization,
  type TokenSet,
} from '../oauth/index.ts'
import { splitScopes } from '../providers/index.ts'
import type { DeviceFlowOptions, StartedDeviceFlow } from './device.ts'
import type { FlowRequest } from './flow.ts'
import { emitterFor, Lifetime } from './loopback-flow.ts'
import { stderrFlowLog } from './loopback-log.ts'

/** The request's members that only an authorization endpoint understands. */
const elsewhere = ['authorizationDetails', 'responseMode', 'responseType', 'maxAge', 'userScopes'] as const

/** Behind `device().start` of device.ts, which documents it. */
export async function startDevice(
  request: FlowRequest,
  options: DeviceFlowOptions,
): Promise<StartedDeviceFlow> {
  assertRequest(request)
  const { provider, client } = request.registration
  const { scopes, resources, extraParams, fetch, signal } = request
  const emit = emitterFor(
    provider.id,
    options.onEvent ?? stderrFlowLog({ name: provider.name ?? provider.id }),
  )
  emit({ type: 'start' })
  try {
    const authorization = await deviceAuthorization(provider, client, {
      scopes: typeof scopes === 'string' ? splitScopes(provider, scopes) : scopes,
      ...{ resources, extraParams, fetch, signal },
    })
    return new WaitingDevice(request, options, authorization, emit)
  } catch (error) {
    emit({ type: 'stopped' })
    throw error
  }
}

function assertRequest(request: FlowRequest): void {
  const { timeoutMs } = request
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    throw argumentError(
      'timeoutMs must be a number of milliseconds above 0 (Infinity: as long as the code lives).',
    )
  for (const name of elsewhere)
    if (request[name] !== undefined)
      throw argumentError(`The device flow has no ${name}: RFC 8628 knows scopes, and resources.`)
}

type Emit = ReturnType<typeof emitterFor>

class WaitingDevice implements StartedDeviceFlow {
  readonly redirectUri = ''
  readonly url: string
  readonly userCode: string
  readonly verificationUri: string
  readonly verificationUriComplete: string | undefined
  readonly scopes: readonly string[]
  readonly expiresAt: Date
  readonly pending: PendingAuthorization
  readonly #lifetime: Lifetime
  readonly #result: Promise<TokenSet>

  constructor(
    request: FlowRequest,
    options: DeviceFlowOptions,
    authorization: DeviceAuthorization,
    emit: Emit,
  ) {
    const { userCode, verificationUri, verificationUriComplete: complete, scopes } = authorization
    this.url = complete ?? verificationUri
    this.userCode = userCode
    this.verificationUri = verificationUri
    this.verificationUriComplete = complete
    this.scopes = scopes
    const now = Date.now()
    const timeoutMs = Math.min(request.timeoutMs ?? Infinity, authorization.expiresAt - now)
    this.expiresAt = new Date(now + timeoutMs)
    this.pending = pendingOf(request, authorization, now)
    // The code's own end is the poll's to say; only a shorter limit of the caller's needs a clock.
    const ownLimit = request.timeoutMs !== undefined && request.timeoutMs <= timeoutMs
    this.#lifetime = new Lifetime(ownLimit ? timeoutMs : Infinity, request.signal)
    emit({
      type: 'device-code',
      userCode,
      url: verificationUri,
      ...(complete === undefined ? {} : { completeUrl: complete }),
    })
    emit({ type: 'waiting', timeoutMs })
    this.#result = this.#wait(request, options, authorization, emit)
    this.#result.catch(() => {}) // whoever asks later still gets the rejection
  }

  result(): Promise<TokenSet> {
    return this.#result
  }

  submit(): Promise<void> {
    return Promise.reject(
      argumentError(
        'A device flow has nothing to submit: the person types the code at the verification address, and the tokens come by themselves.',
      ),
    )
  }

  cancel(reason: unknown = new DOMException('The flow was cancelled.', 'AbortError')): void {
    this.#lifetime.end(reason)
  }

  async #wait(
    { registration, fetch, save }: FlowRequest,
    { sleep }: DeviceFlowOptions,
    authorization: DeviceAuthorization,
    emit: Emit,
  ): Promise<TokenSet> {
    const { provider, client } = registration
    const { signal } = this.#lifetime
    try {
      const tokens = await deviceCodeGrant(provider, client, authorization, { fetch, signal, sleep })
      this.#lifetime.stopClock()
      emit({ type: 'token-received' })
      await save?.(tokens)
      return tokens
    } finally {
      this.#lifetime.dispose()
      emit({ type: 'stopped' })
    }
  }
}

/** What every flow has; there is no state and no redirect in this one. */
function pendingOf(
  { registration, user, account }: FlowRequest,
  { scopes, expiresAt, resources }: DeviceAuthorization,
  createdAt: number,
): PendingAuthorization {
  return pendingAuthorization({
    version: 1,
    provider: registration.provider.id,
    clientId: registration.client.clientId,
    state: '',
    redirectUri: '',
    scopes,
    ...(resources === undefined ? {} : { resources }),
    ...(user === undefined ? {} : { user }),
    ...(account === undefined ? {} : { account }),
    createdAt,
    expiresAt,
  })
}
