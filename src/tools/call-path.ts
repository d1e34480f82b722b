// The single way to run a tool with somebody's authorization: find, check, authorise, run. Every surface goes through here.
import {
  AuthorizationRequiredError,
  argumentError,
  ConfigurationError,
  quote,
  ToolFailedError,
  ToolgrantError,
  ToolInputError,
  ToolUnknownError,
} from '../errors.ts'
import type { Registration, TokenSet } from '../oauth/index.ts'
import { resolveVariables } from '../providers/index.ts'
import { addressFor, type Chosen, chooseAccounts, type ToolboxBinding } from './binding.ts'
import type { CallOutcome } from './call-outcome.ts'
import { type Consents, consentsAt } from './consent.ts'
import type { ConsentDesk } from './consent-desk.ts'
import type { WantedSignIn } from './consent-memory.ts'
import { consentError, type PendingConsent } from './consent-request.ts'
import { Redactor } from './redactor.ts'
import type { Tool } from './tool.ts'
import type { ToolAuth } from './tool-auth.ts'
import { type Grant, toolContext } from './tool-context.ts'
import { runTool } from './tool-run.ts'
import { UseTrace } from './tool-use.ts'
import type { ToolAddress, ToolVault } from './tool-vault.ts'

/** Options of one call. */
export interface CallOptions {
  /** Stops the call; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Time limit of this run, in milliseconds. Default: the tool's. */
  timeoutMs?: number | undefined
  /** `false`: coerces as in {@link ParseOptions}. Default: the tool's. */
  strict?: boolean | undefined
}

/** What the call path works with. */
export interface CallPath {
  readonly binding: ToolboxBinding
  readonly vault: ToolVault | undefined
  readonly desk: ConsentDesk | undefined
  readonly fetch: typeof fetch | undefined
  /** Asked for beyond what the tools need; see {@link ToolboxOptions.recommendedScopes}. */
  readonly recommended: (provider: string) => Promise<readonly string[]>
}

/** One requirement of a tool for one user. */
export interface Requirement {
  auth: ToolAuth
  address: ToolAddress
}

/** What a call acted with: filled while it runs, for the record. */
export interface CallTrace {
  providers: { provider: string; account: string | undefined; scopes: readonly string[] }[]
  /** What its tokens were used for; absent when the tool did not run. */
  use?: UseTrace
}

/**
 * Runs a call to its outcome.
 *
 * @throws the signal's reason, and what is nobody's expectation: a vault or a provider row that is broken in a way
 *   that is no {@link ToolgrantError}.
 */
export async function runCall(
  path: CallPath,
  tool: Tool | undefined,
  name: string,
  args: unknown,
  options: CallOptions,
  trace: CallTrace,
): Promise<CallOutcome> {
  options.signal?.throwIfAborted()
  try {
    if (tool === undefined) throw new ToolUnknownError(`There is no tool called ${quote(String(name), 64)}.`)
    return await runFound(path, tool, args, options, trace)
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason
    if (error instanceof ToolgrantError) return { ok: false, paused: false, error }
    throw error
  }
}

async function runFound(
  path: CallPath,
  tool: Tool,
  args: unknown,
  options: CallOptions,
  trace: CallTrace,
): Promise<CallOutcome> {
  const { input, chosen } = chooseAccounts(path.binding, tool, args)
  const parsed = await parseInput(tool, input, options)
  const requirements = requirementsOf(path.binding, tool.auth, chosen)
  trace.providers = requirements.map(({ auth, address }) => ({
    provider: auth.provider,
    account: address.account,
    scopes: auth.scopes,
  }))
  const { grants, missing } = await authorise(path, requirements, options.signal)
  if (missing.length > 0) return paused(missing)
  trace.use = new UseTrace()
  return runGranted(path, tool, parsed, options, { grants, requirements, use: trace.use })
}

async function parseInput(tool: Tool, input: unknown, options: CallOptions): Promise<unknown> {
  try {
    return await tool.parse(input as string, { strict: options.strict })
  } catch (cause) {
    if (cause instanceof ToolInputError || cause instanceof ConfigurationError) throw cause
    throw new ToolFailedError(
      'tool_failed',
      `The input schema of "${tool.name}" failed while it checked the arguments.`,
      tool.name,
      { cause },
    )
  }
}

/** What the tool needs, and at which of the user's accounts. */
export function requirementsOf(
  binding: ToolboxBinding,
  auth: readonly ToolAuth[],
  chosen: Chosen,
): Requirement[] {
  return auth.map((each) => ({ auth: each, address: addressFor(binding, each, chosen) }))
}

/** Checks every requirement, so that a person is asked for all of them at once. */
async function authorise(
  path: CallPath,
  requirements: readonly Requirement[],
  signal: AbortSignal | undefined,
): Promise<{ grants: Grant[]; missing: PendingConsent[] }> {
  const grants: Grant[] = []
  const missing: PendingConsent[] = []
  for (const requirement of requirements) {
    const met = await meet(path, requirement, signal)
    if ('source' in met) grants.push(met)
    else missing.push(met)
  }
  return { grants, missing }
}

async function meet(
  path: CallPath,
  requirement: Requirement,
  signal: AbortSignal | undefined,
): Promise<Grant | PendingConsent> {
  const { vault, consents } = withVault(path)
  const { auth, address } = requirement
  const unsaved = await consents.saveUnsaved(address)
  try {
    const source = vault.source(address, { scopes: auth.scopes })
    const tokens = await source.token(signal === undefined ? {} : { signal })
    consents.connected(address, tokens.scopes)
    const { provider, client } = await registrationOf(vault, auth.provider, tokens)
    return { auth, source, provider, client, ...whatWasAsked(consents, address) }
  } catch (error) {
    if (!(error instanceof AuthorizationRequiredError)) throw error
    if (unsaved !== undefined) throw unsaved
    consents.memory.throwFailureOf(placeOf(address, error), auth.scopes)
    return askFor(path, requirement, error)
  }
}

/** The consent that an {@link AuthorizationRequiredError} from below calls for. */
export async function askFor(
  path: CallPath,
  { auth, address }: Requirement,
  error: AuthorizationRequiredError,
  timeoutMs?: number,
): Promise<PendingConsent> {
  const { consents } = withVault(path)
  return consents.require({
    address: placeOf(address, error),
    code: error.code === 'insufficient_scope' ? 'missing_scope' : (error.code as PendingConsent['code']),
    scopes: [...new Set([...error.scopes, ...auth.scopes])],
    recommended: await path.recommended(auth.provider),
    flow: auth.flow,
    timeoutMs,
    signIn: signInOf(error),
  })
}

/** What an API wants of the person's sign-in, if that is what it wants. */
function signInOf({ challenge }: AuthorizationRequiredError): WantedSignIn | undefined {
  const { acrValues, maxAgeSeconds } = challenge ?? {}
  if (acrValues === undefined && maxAgeSeconds === undefined) return undefined
  return {
    ...(acrValues === undefined ? {} : { acrValues }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
  }
}

/** What a person has been asked before, so that nobody goes round in circles. */
function whatWasAsked(
  { memory }: Consents,
  address: ToolAddress,
): Pick<Grant, 'declined' | 'hasJustSignedIn'> {
  return {
    declined: memory.declined(address),
    hasJustSignedIn: (wanted) => memory.hasJustSignedIn(address, wanted),
  }
}

/** The address with the account that the vault found, when none was named. */
function placeOf(address: ToolAddress, { account }: AuthorizationRequiredError): ToolAddress {
  return address.account !== undefined || account === undefined ? address : { ...address, account }
}

/** The vault and its consents. @throws {TypeError} `invalid_argument` when the toolbox has none. */
export function withVault(path: CallPath): { vault: ToolVault; consents: Consents } {
  if (path.vault === undefined || path.desk === undefined)
    throw argumentError('This needs a vault: new Toolbox({ vault: await Vault.open(), tools }).')
  return { vault: path.vault, consents: consentsAt(path.desk) }
}

/** The provider row with its variables filled in: the client's, and those that only a token answer knows. */
async function registrationOf(vault: ToolVault, id: string, tokens: TokenSet): Promise<Registration> {
  const { provider, client } = await vault.registration(id)
  if (provider.urlVariables === undefined || provider.urlVariables.length === 0) return { provider, client }
  const variables: Record<string, string> = { ...client.variables }
  for (const { name, from } of provider.urlVariables) {
    const value = from === 'user' ? undefined : tokens.extra[name]
    if (typeof value === 'string') variables[name] = value
  }
  return { provider: resolveVariables(provider, variables), client }
}

function paused(missing: readonly PendingConsent[], cause?: unknown): CallOutcome {
  const [first] = missing
  if (first === undefined) throw new TypeError('A paused call needs a consent to wait for.')
  return { ok: false, paused: true, result: first, required: missing, error: consentError(first, cause) }
}

/** What a call runs with. */
interface Granted {
  grants: readonly Grant[]
  requirements: readonly Requirement[]
  use: UseTrace
}

async function runGranted(
  path: CallPath,
  tool: Tool,
  input: unknown,
  options: CallOptions,
  { grants, requirements, use }: Granted,
): Promise<CallOutcome> {
  const redactor = new Redactor()
  const { user, thread, profile } = path.binding
  let wanted: AuthorizationRequiredError | undefined
  const onAuthorizationRequired = (error: AuthorizationRequiredError) => {
    wanted ??= error
  }
  const parts = {
    tool: tool.name,
    grants,
    user,
    thread,
    profile,
    vars: tool.vars,
    fetch: path.fetch,
    redactor,
    use,
    onAuthorizationRequired,
  }
  try {
    const result = await runTool(tool, input, options, redactor, (signal) =>
      toolContext({ ...parts, signal }),
    )
    return { ok: true, paused: false, result }
  } catch (error) {
    const required =
      error instanceof AuthorizationRequiredError ? error : isFailure(error) ? wanted : undefined
    const requirement = requirements.find(({ auth }) => auth.provider === required?.provider)
    if (required === undefined || requirement === undefined) throw error
    withVault(path).consents.memory.throwFailureOf(placeOf(requirement.address, required), required.scopes)
    return paused([await askFor(path, requirement, required)], required)
  }
}

// A tool that wraps or swallows what its fetch threw has still failed for want of a consent.
function isFailure(error: unknown): boolean {
  return error instanceof ToolFailedError && error.code === 'tool_failed'
}
