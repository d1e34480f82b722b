// OpenAI's wire formats: Chat Completions (and every server that speaks it) and Responses. Calls in, answers out.
import { argumentError } from '../errors.ts'
import type { AnsweredCall, ModelCall } from './model-answer.ts'
import { modelContent } from './model-answer.ts'

/** A tool call in a Chat Completions message. */
export interface OpenAIToolCall {
  id: string
  type?: string | undefined
  function?: { name: string; arguments: string } | undefined
}

/** An assistant message of Chat Completions, or a whole response with one. */
export type OpenAIResponse =
  | { choices: readonly { message: OpenAIAssistantMessage }[] }
  | OpenAIAssistantMessage

/** The part of an assistant message that is read here. */
export interface OpenAIAssistantMessage {
  role?: string
  content?: unknown
  tool_calls?: readonly OpenAIToolCall[] | null | undefined
}

/** The answer to one tool call in Chat Completions. */
export interface OpenAIToolMessage {
  role: 'tool'
  tool_call_id: string
  content: string
}

/** A response of the Responses API, or its `output`. */
export type OpenAIResponsesResponse =
  | { output: readonly OpenAIResponsesItem[] }
  | readonly OpenAIResponsesItem[]

/** The part of an output item that is read here. */
export interface OpenAIResponsesItem {
  type: string
  call_id?: unknown
  name?: unknown
  arguments?: unknown
}

/** The answer to one function call in the Responses API. */
export interface OpenAIFunctionCallOutput {
  type: 'function_call_output'
  call_id: string
  output: string
}

/** The tool calls in a response. @throws {TypeError} `invalid_argument` when it is no such response. */
export function openAICalls(response: OpenAIResponse): ModelCall[] {
  if (typeof response !== 'object' || response === null)
    throw notAResponse('a Chat Completions response or message')
  const message = 'choices' in response ? response.choices?.[0]?.message : response
  if (typeof message !== 'object' || message === null)
    throw notAResponse('a Chat Completions response or message')
  return (message.tool_calls ?? []).map((call) => ({
    id: call?.id,
    name: call?.function?.name ?? '',
    input: call?.function?.arguments,
  }))
}

/** The messages that answer the calls, in their order. */
export function openAIMessages(calls: readonly AnsweredCall[], maxCharacters: number): OpenAIToolMessage[] {
  return calls.map(({ id, outcome }) => ({
    role: 'tool',
    tool_call_id: id ?? '',
    content: modelContent(outcome, maxCharacters).text,
  }))
}

/** The function calls in a response. @throws {TypeError} `invalid_argument` when it is no such response. */
export function openAIResponsesCalls(response: OpenAIResponsesResponse): ModelCall[] {
  const output = Array.isArray(response) ? response : (response as { output?: unknown } | null)?.output
  if (!Array.isArray(output)) throw notAResponse('a response of the Responses API')
  return output
    .filter((item: OpenAIResponsesItem) => item?.type === 'function_call')
    .map((item: OpenAIResponsesItem) => ({
      id: textOr(item.call_id, undefined),
      name: textOr(item.name, ''),
      input: item.arguments,
    }))
}

/** The items that answer the calls, in their order. */
export function openAIResponsesItems(
  calls: readonly AnsweredCall[],
  maxCharacters: number,
): OpenAIFunctionCallOutput[] {
  return calls.map(({ id, outcome }) => ({
    type: 'function_call_output',
    call_id: id ?? '',
    output: modelContent(outcome, maxCharacters).text,
  }))
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise
}

/** The caller passed something else than a model's response. */
export function notAResponse(what: string): TypeError {
  return argumentError(`That is not ${what}. Pass what the model's API returned.`)
}
