// `toolgrant call <tool> '<json>'`: one tool call, through the toolbox like every other.
import { type AuthorizationRequiredError, argumentError } from '../../errors.ts'
import { Toolbox } from '../../tools/index.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { Spinner } from '../spinner.ts'
import { readStandardInput } from '../standard-input.ts'
import { loadTools } from '../tool-module.ts'
import { connectProvider, defaultTimeoutSeconds } from './connect.ts'

/** Options of {@link call}. */
export interface CallOptions extends AddressOptions {
  /** The module, instead of the configured one. */
  tools?: string
  /** Ask for consent when it is missing, then call again. */
  connect?: boolean
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
  const user = await context.user(options.user)
  const { account } = options
  const toolbox = new Toolbox({ vault: await context.vault(), tools }).for({
    user,
    ...(account === undefined ? {} : { account }),
  })
  const run = async () => {
    using _spinner = new Spinner(output, `Calling ${name} …`)
    return await toolbox.call(name, input, { signal: context.signal })
  }
  const result = options.connect ? await withConsent(context, user, run) : await run()
  await print(context, result)
  return undefined
}

/** Repeats the call after each consent that it turns out to need: a tool may act at several providers. */
async function withConsent(
  context: CommandContext,
  user: string,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const asked = new Set<string>()
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!isAuthorizationRequired(error)) throw error
      const { provider, scopes, account } = error
      const need = JSON.stringify([provider, account, scopes])
      if (asked.has(need)) throw error
      asked.add(need)
      await connectProvider(context, provider, {
        user,
        scopes,
        timeout: defaultTimeoutSeconds,
        ...(account === undefined ? {} : { account }),
      })
    }
  }
}

function isAuthorizationRequired(error: unknown): error is AuthorizationRequiredError {
  return error instanceof Error && error.name === 'AuthorizationRequiredError'
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
