// What a model is told about a call: the result, or an error that it can act on. No stack, no token, no internals.
import {
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  ConfigurationError,
  KeyError,
  RefreshFailedError,
  StoreError,
  ToolFailedError,
  type ToolgrantError,
  ToolInputError,
  ToolUnknownError,
} from '../errors.ts'
import type { CallOutcome } from './call-outcome.ts'
import type { ConsentRequest } from './consent-request.ts'
import { plainJson, resultText } from './result-text.ts'

/** One call of a tool, as a model asked for it, whichever vendor's. */
export interface ModelCall {
  /** The vendor's id of the call; Gemini may send none. */
  readonly id: string | undefined
  readonly name: string
  /** An object, or JSON text. */
  readonly input: unknown
}

/** A call and how it ended. */
export interface AnsweredCall extends ModelCall {
  readonly outcome: CallOutcome
}

/** The answers to the calls in one response of a model. */
export interface Answer<Message> {
  /** To be appended to the conversation behind the model's own message. Empty when it called no tool. */
  readonly messages: Message[]
  /** Each call and its outcome, in the model's order. */
  readonly calls: readonly AnsweredCall[]
  /** `true`: at least one call waits for a person. The messages tell the model; show `required` as well. */
  readonly paused: boolean
  /** The consents that are missing, each once. */
  readonly required: readonly ConsentRequest[]
}

/** What goes back for one call, before it takes a vendor's shape. */
export interface ModelContent {
  isError: boolean
  text: string
}

/** The content for vendors that take text. */
export function modelContent(outcome: CallOutcome, maxCharacters: number): ModelContent {
  if (outcome.ok) return { isError: false, text: resultText(outcome.result, maxCharacters).text }
  return { isError: true, text: resultText(modelError(outcome), maxCharacters).text }
}

/** The content for vendors that take an object. */
export function modelObject(
  outcome: CallOutcome,
  maxCharacters: number,
): { output: unknown } | { error: unknown } {
  if (!outcome.ok) return { error: modelError(outcome) }
  const { text, truncated } = resultText(outcome.result, maxCharacters)
  return { output: truncated ? text : plainJson(outcome.result, maxCharacters).value }
}

/** An error as a model should read it. */
export function modelError(outcome: Exclude<CallOutcome, { ok: true }>): Record<string, unknown> {
  if (outcome.paused)
    return { code: outcome.error.code, message: pausedMessage, authorization: outcome.required.map(forModel) }
  const { error } = outcome
  return {
    code: error.code,
    message: messageFor(error),
    ...(error instanceof ToolInputError
      ? { issues: error.issues.map(({ path, message }) => ({ path, message })) }
      : {}),
  }
}

const pausedMessage =
  'The person has to allow this first. Tell them why, and give them the link exactly as it is. Call the tool again with the same arguments once they say that it is done.'

function forModel({ provider, account, url, missing, message }: ConsentRequest): Record<string, unknown> {
  return { provider, ...(account === undefined ? {} : { account }), url, missing_scopes: missing, message }
}

// Errors from below the tools name files, keys and settings: those are for the operator.
function messageFor(error: ToolgrantError): string {
  if (
    error instanceof ToolInputError ||
    error instanceof ToolUnknownError ||
    (error instanceof ToolFailedError && !isForOperator(error.cause))
  )
    return error.message
  if (error instanceof AuthorizationDeniedError)
    return `The authorization at ${error.provider} was refused. Do not ask for it again unless the person wants it; calling the tool again makes a new link.`
  if (error instanceof AuthorizationRequiredError)
    return `The person has to connect ${error.provider} first.${error.url === undefined ? '' : ` Give them this link exactly as it is: ${error.url}`}`
  return 'The tool cannot be used at the moment, and not because of the arguments. Tell the person; the operator can see the reason.'
}

/** What the tool's own `fetch` met below the tools: a vault that cannot be written, a client that is not accepted. */
function isForOperator(cause: unknown): boolean {
  return [ConfigurationError, StoreError, KeyError, RefreshFailedError].some((kind) => cause instanceof kind)
}

/** The consents that several outcomes wait for, each once. */
export function requiredBy(outcomes: readonly CallOutcome[]): ConsentRequest[] {
  const byUrl = new Map<string, ConsentRequest>()
  for (const outcome of outcomes)
    if (!outcome.ok && outcome.paused) for (const each of outcome.required) byUrl.set(each.url, each)
  return [...byUrl.values()]
}
