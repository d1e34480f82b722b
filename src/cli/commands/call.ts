// `toolgrant call <tool> '<json>'`: one tool call, through the toolbox like every other.
import {
  type ApiChallenge,
  AuthorizationRequiredError,
  argumentError,
  quote,
  ToolUnknownError,
} from '../../errors.ts'
import type { Flow } from '../../flows/index.ts'
import { nearestNames } from '../../providers/index.ts'
import { type Tool, Toolbox } from '../../tools/index.ts'
import type { Connection, Vault } from '../../vault/index.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { whileSpinning } from '../spinner.ts'
import { readStandardInput } from '../standard-input.ts'
import { loadTools } from '../tool-module.ts'
import { type ConnectOptions, connectProvider } from './connect.ts'

/** Options of {@link call}. */
export interface CallOptions extends AddressOptions {
  /** The module, instead of the configured one. */
  tools?: string
  /** Ask for consent when it is missing, then call again. */
  connect?: boolean
  /** As in `connect`. */
  browser?: boolean
  /** As in `connect`, in seconds, for each consent. */
  timeout: number
}

/** Runs a tool and prints its result: text as it is, everything else as JSON. */
export async function call(
  context: CommandContext,
  options: CallOptions,
  name = '',
  json = '{}',
): Promise<ExitCode | undefined> {
  const { output } = context
  const input = readInput(json === '-' ? new TextDecoder().decode(await readStandardInput()) : json)
  const tools = await loadTools(context, options.tools)
  assertKnown(name, tools)
  const user = await context.user(options.user)
  const vault = await (options.connect ? context.vault() : context.vaultToUse())
  const toolbox = new Toolbox({ vault, tools, flow: noFlow(vault) })
  const { account } = options
  const bound = toolbox.for({ user, ...(account === undefined ? {} : { account }) })
  const run = () =>
    whileSpinning(output, `Calling ${name} …`, () => bound.call(name, input, { signal: context.signal }))
  try {
    await print(context, await (options.connect ? withConsent(context, { ...options, user }, run) : run()))
  } finally {
    await toolbox.close()
  }
  return undefined
}

function assertKnown(name: string, tools: readonly Tool[]): void {
  const names = tools.map((tool) => tool.name)
  if (names.includes(name)) return
  const near = nearestNames(name, names)
  const hint = near.length === 0 ? '' : ` Did you mean ${near.join(' or ')}?`
  throw new ToolUnknownError(`There is no tool called ${quote(name, 64)}.${hint}`)
}

/**
 * Makes no link: a port that waits would end with this command. What is missing is thrown as it is, for the command
 * that connects.
 */
function noFlow(vault: Vault): Flow {
  return {
    async start({ registration, scopes = [], user = '', account, maxAge, extraParams }) {
      const provider = registration.provider.id
      const place = account === undefined ? {} : { account }
      const status = (await vault.connection({ user, provider, ...place }))?.status
      const challenge = signInWanted(maxAge, extraParams?.['acr_values'])
      const [code, problem] = whatIsMissing(status, challenge !== undefined)
      const wanted = typeof scopes === 'string' ? scopes.split(' ') : scopes
      throw new AuthorizationRequiredError(code, `${provider} ${problem}.`, {
        provider,
        scopes: wanted,
        ...place,
        ...(challenge === undefined ? {} : { challenge }),
      })
    },
  }
}

/** What an API wants of the person's sign-in, as the toolbox hands it to a flow. */
function signInWanted(maxAge: number | undefined, acrValues: string | undefined): ApiChallenge | undefined {
  if (maxAge === undefined && acrValues === undefined) return undefined
  return {
    missing: [],
    ...(acrValues === undefined ? {} : { acrValues: acrValues.split(' ') }),
    ...(maxAge === undefined ? {} : { maxAgeSeconds: maxAge }),
  }
}

/** The same, as a flow takes it. */
function signInRequest({ acrValues, maxAgeSeconds }: ApiChallenge): NonNullable<ConnectOptions['signIn']> {
  return {
    ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }),
    ...(acrValues === undefined ? {} : { extraParams: { acr_values: acrValues.join(' ') } }),
  }
}

function whatIsMissing(status: Connection['status'] | undefined, signIn: boolean) {
  if (status === 'active' && signIn)
    return ['missing_scope', 'is connected, but its API wants the person to sign in again for this'] as const
  if (status === 'active') return ['missing_scope', 'is connected, but the tool needs more scopes'] as const
  if (status === undefined) return ['not_connected', 'is not connected'] as const
  return ['needs_reconnect', 'has to be connected again: the grant is dead'] as const
}

/** Repeats the call after each consent that it turns out to need: a tool may act at several providers. */
async function withConsent(
  context: CommandContext,
  { user, browser, timeout }: CallOptions,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const asked = new Set<string>()
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof AuthorizationRequiredError)) throw error
      const { provider, scopes, account, challenge } = error
      const need = JSON.stringify([provider, account, scopes, challenge])
      if (asked.has(need)) throw error
      asked.add(need)
      await connectProvider(context, provider, {
        scopes,
        timeout,
        ...(user === undefined ? {} : { user }),
        ...(browser === undefined ? {} : { browser }),
        ...(account === undefined ? {} : { account }),
        ...(challenge === undefined ? {} : { signIn: signInRequest(challenge) }),
      })
    }
  }
}

/** The input may hold what is nobody's business: the message says where it is wrong, not what it is. */
function readInput(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw argumentError(
      `The input is not JSON. Put it in single quotes: toolgrant call <tool> '{"limit": 5}'`,
    )
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw argumentError('The input of a tool is a JSON object, such as {"limit": 5}.')
}

async function print({ output }: CommandContext, result: unknown): Promise<void> {
  if (output.json) await output.document(result ?? null)
  else if (typeof result === 'string') await output.write(result.endsWith('\n') ? result : `${result}\n`)
  else await output.write(`${JSON.stringify(result ?? null, null, 2)}\n`)
}
