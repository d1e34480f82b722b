// How a call ended, as data: for loops that must go on whatever a tool does.
import {
  AuthorizationRequiredError,
  ToolFailedError,
  type ToolgrantError,
  ToolInputError,
  ToolUnknownError,
} from '../errors.ts'
import type { ConsentRequest } from './consent-request.ts'
import type { CallOutcomeName } from './tool-events.ts'

/** The tool ran; `result` is what it returned. */
export interface CallSucceeded<Result = unknown> {
  readonly ok: true
  readonly paused: false
  readonly result: Result
  readonly error?: undefined
}

/** A person has to consent first: show `result.url`, then repeat the same call. */
export interface CallPaused {
  readonly ok: false
  readonly paused: true
  /** The first missing consent. */
  readonly result: ConsentRequest
  /** All of them: a tool may need several providers. */
  readonly required: readonly ConsentRequest[]
  readonly error: AuthorizationRequiredError
}

/** The call failed; `error.code` says why: `tool_unknown`, `tool_input_invalid`, `tool_failed`, `tool_timeout`, … */
export interface CallFailed {
  readonly ok: false
  readonly paused: false
  readonly result?: undefined
  readonly error: ToolgrantError
}

/** What {@link UserToolbox.tryCall} resolves to. */
export type CallOutcome<Result = unknown> = CallSucceeded<Result> | CallPaused | CallFailed

/** The outcome in one word, for the record. */
export function outcomeName(outcome: CallOutcome): CallOutcomeName {
  if (outcome.ok) return 'ok'
  if (outcome.paused) return 'paused'
  const { error } = outcome
  if (error instanceof AuthorizationRequiredError) return 'paused'
  if (error instanceof ToolFailedError) return error.code === 'tool_timeout' ? 'timeout' : 'failed'
  if (error instanceof ToolInputError) return 'invalid_input'
  return error instanceof ToolUnknownError ? 'unknown_tool' : 'error'
}
