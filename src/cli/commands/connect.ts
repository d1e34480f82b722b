// `toolgrant connect <provider>`: consent in the browser, answered on loopback or by a pasted address, kept in the vault.
import type { CallbackSettings } from '../../config/index.ts'
import { argumentError } from '../../errors.ts'
import {
  type FlowEvent,
  type FlowRequest,
  type LoopbackOptions,
  loopback,
  type StartedFlow,
} from '../../flows/index.ts'
import { type Registration, randomState } from '../../oauth/index.ts'
import type { Provider } from '../../providers/index.ts'
import type { Connection, ConnectionAddress, Vault } from '../../vault/index.ts'
import { connectionRecord } from '../connection-record.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import { consentByDevice } from '../device-consent.ts'
import type { ExitCode } from '../exit-code.ts'
import { printable } from '../output.ts'
import { readPastedAddresses } from '../pasted-address.ts'
import { whileSpinning } from '../spinner.ts'

/** Options of {@link connect}. */
export interface ConnectOptions extends AddressOptions {
  scopes?: readonly string[]
  /** Ask for `scopes` and nothing else; absent: for what is granted already, too. */
  only?: boolean
  port?: number
  https?: boolean
  /** Whether to open the browser; absent: where a person is likely to sit. */
  browser?: boolean
  paste?: boolean
  /** RFC 8628 instead of a browser here. */
  device?: boolean
  /** Whether to draw a QR code; absent: where there is room. */
  qr?: boolean
  /** RFC 8707. */
  resource?: readonly string[]
  /** RFC 9396, as JSON. */
  authorizationDetails?: string
  responseMode?: NonNullable<FlowRequest['responseMode']>
  /** How the person has to sign in, when an API wants that (RFC 9470). */
  signIn?: Pick<FlowRequest, 'maxAge' | 'extraParams'>
  /** In seconds. */
  timeout: number
}

/** Gets a person's consent and keeps the connection. */
export async function connect(
  context: CommandContext,
  options: ConnectOptions,
  provider = '',
): Promise<ExitCode | undefined> {
  if (options.only && options.scopes === undefined)
    throw argumentError('--only needs --scopes: it asks for these and nothing else.')
  const connection = await connectProvider(context, provider, options)
  if (context.output.json) await context.output.document(connectionRecord(connection))
  return undefined
}

/** The same without data on stdout. Nothing is kept when anything fails. */
export async function connectProvider(
  context: CommandContext,
  providerId: string,
  options: ConnectOptions,
): Promise<Connection> {
  const config = await context.config()
  const registration = await config.registration(providerId)
  const address = await context.address(providerId, options)
  const vault = await context.vault()
  await assertWritable(vault, registration)
  const { provider } = registration
  const before = await scopesGranted(vault, address)
  const wanted = options.scopes ?? config.scopes(provider.id) ?? provider.defaultScopes ?? []
  const scopes = options.only ? wanted : [...new Set([...before, ...wanted])]
  if (provider.refresh === 'client-credentials')
    return connectOurselves(context, vault, registration, { address, scopes, before, options })
  const saved = Promise.withResolvers<Connection>()
  const request: FlowRequest = {
    registration,
    scopes,
    resources: options.resource,
    authorizationDetails: detailsIn(options.authorizationDetails),
    responseMode: options.responseMode,
    ...options.signIn,
    user: address.user,
    account: address.account,
    timeoutMs: options.timeout * 1000,
    signal: context.signal,
    save: async (tokens) => {
      saved.resolve(await vault.save(address, tokens))
    },
  }
  const callback = registration.client.redirectUri === undefined ? config.callback : {}
  const started = options.device
    ? await consentByDevice(context, request, options.qr)
    : await consentByBrowser(context, request, listening(callback, options), options)
  const connection = await saved.promise
  tellOutcome(context, provider, connection, { before, asked: started.scopes })
  return connection
}

/** No person is needed where the provider's row says that the client asks for itself (RFC 6749 section 4.4). */
async function connectOurselves(
  context: CommandContext,
  vault: Vault,
  { provider }: Registration,
  given: {
    address: ConnectionAddress
    scopes: readonly string[]
    before: readonly string[]
    options: ConnectOptions
  },
): Promise<Connection> {
  const { address, scopes, before, options } = given
  if (options.device) throw argumentError(`${provider.id} connects the client itself: leave out --device.`)
  const timeoutMs = options.timeout * 1000
  const limits = { scopes, resources: options.resource, timeoutMs, signal: context.signal }
  const connection = await vault.connectClient(address, limits)
  tellOutcome(context, provider, connection, { before, asked: scopes })
  return connection
}

async function consentByBrowser(
  context: CommandContext,
  request: FlowRequest,
  where: LoopbackOptions,
  options: ConnectOptions,
): Promise<StartedFlow> {
  let answered = false
  const onEvent = (event: FlowEvent) => {
    answered ||= event.type === 'code-received'
    tell(context, event)
  }
  const started = await loopback({ ...where, onEvent }).start(request)
  await waitForPerson(context, started, options, () => answered)
  return started
}

/** What is wrong inside the list is said where it is used. */
function detailsIn(json: string | undefined): FlowRequest['authorizationDetails'] {
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json)
    if (value === undefined || Array.isArray(value)) return value
  } catch {}
  throw argumentError(
    `--authorization-details must be a JSON list, such as '[{"type":"payment_initiation"}]' (RFC 9396 section 2).`,
  )
}

/** What a consent would replace: the new grant counts alone, so what is granted now has to be asked for again. */
async function scopesGranted(vault: Vault, address: ConnectionAddress): Promise<readonly string[]> {
  const connection = await vault.connection({ ...address, account: address.account ?? 'default' })
  return connection === undefined || connection.status === 'revoked' ? [] : connection.scopes
}

/** Before the person is asked: a store that is read-only or full must not cost a consent. Leaves nothing behind. */
async function assertWritable(vault: Vault, { provider, client }: Registration): Promise<void> {
  const state = randomState()
  const now = Date.now()
  const lifetime = { createdAt: now, expiresAt: now + 60_000 }
  const { clientId } = client
  await vault.putPending({
    version: 1,
    provider: provider.id,
    clientId,
    state,
    redirectUri: '',
    scopes: [],
    ...lifetime,
  })
  await vault.takePending(state)
}

function tellOutcome(
  { output }: CommandContext,
  provider: Provider,
  connection: Connection,
  { before, asked }: { before: readonly string[]; asked: readonly string[] },
): void {
  const name = provider.name ?? provider.id
  const { user, scopes } = connection
  const granted = scopes.length === 0 ? '' : ` Granted: ${scopes.join(' ')}.`
  const gone = before.filter((scope) => !scopes.includes(scope))
  const noLonger = gone.length === 0 ? '' : ` No longer: ${gone.join(' ')}.`
  output.note(
    `${output.style('green', '✓')} ${printable(`Connected ${name} for ${user}.${granted}${noLonger}`)}`,
  )
  const missing = asked.filter((scope) => !scopes.includes(scope))
  if (missing.length > 0) output.warn(`${name} did not grant: ${missing.join(' ')}`)
}

/** Where to listen: the command line, then the client's redirect URI, then the configuration, then the flow's defaults. */
function listening(callback: CallbackSettings, options: ConnectOptions): LoopbackOptions {
  return {
    port: options.port ?? callback.port,
    https: options.https ?? callback.https,
    openBrowser: options.browser,
  }
}

async function waitForPerson(
  context: CommandContext,
  started: StartedFlow,
  options: ConnectOptions,
  answered: () => boolean,
) {
  const { output } = context
  // Later, so that an address before the end of the input has its effect first. Without --paste the browser may still come.
  const inputEnded = () =>
    setImmediate(() => {
      if (options.paste && !answered()) started.cancel(nothingPasted())
    })
  const pasting = options.paste || context.interactive
  const { urlExpiresAt } = started
  output.note(
    `Open this address to connect${within(urlExpiresAt)}:\n\n  ${output.style('underline', started.url)}\n`,
  )
  output.record({
    authorize: {
      url: started.url,
      redirectUri: started.redirectUri,
      expiresAt: started.expiresAt.toISOString(),
      ...(urlExpiresAt === undefined ? {} : { urlExpiresAt: urlExpiresAt.toISOString() }),
    },
  })
  if (pasting)
    output.note(
      'Is the browser on another computer? Paste the address of its last page here (it is not shown), then Enter.',
    )
  const stopReading = pasting ? readPastedAddresses(context, started, inputEnded) : undefined
  return whileSpinning(output, 'Waiting for the browser …', () => started.result()).finally(stopReading)
}

/** A pushed request (RFC 9126) is taken for a minute or so. */
function within(expiresAt: Date | undefined): string {
  if (expiresAt === undefined) return ''
  return `, within ${Math.max(1, Math.round((expiresAt.getTime() - Date.now()) / 1000))} seconds`
}

function nothingPasted(): Error {
  return argumentError(
    'Standard input ended before the address of the browser came. Keep it open until the address is pasted, or leave out --paste.',
  )
}

/** What is worth saying while the flow runs; address, waiting and the end are told by the command itself. */
function tell({ output }: CommandContext, event: FlowEvent): void {
  if (event.type === 'listening' && event.certificate === 'managed')
    output.note(
      'The browser will warn of the certificate of localhost: it was made on this computer. Continue there.',
    )
  if (event.type === 'register-hint')
    output.note(`Redirect URI, as it must be registered: ${event.redirectUri}`)
  if (event.type === 'browser-failed')
    output.warn('The browser could not be opened. Open the address yourself.')
  if (event.type === 'callback-refused')
    output.warn(`A callback was refused, still waiting: ${event.message}`)
}
