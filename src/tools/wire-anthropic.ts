// Anthropic's Messages API: `tool_use` blocks in, one message of `tool_result` blocks out.
import { type AnsweredCall, type ModelCall, modelContent } from './model-answer.ts'
import { notAResponse } from './wire-openai.ts'

/** A message of the Messages API, or its `content`. */
export type AnthropicResponse = { content: readonly AnthropicBlock[] } | readonly AnthropicBlock[]

/** The part of a content block that is read here. */
export interface AnthropicBlock {
  type: string
  id?: string
  name?: string
  input?: unknown
}

/** The answer to one `tool_use` block. */
export interface AnthropicToolResult {
  type: 'tool_result'
  tool_use_id: string
  content: string
  is_error?: true
}

/** The message that answers all of them. */
export interface AnthropicToolMessage {
  role: 'user'
  content: AnthropicToolResult[]
}

/** The tool calls in a message. @throws {TypeError} `invalid_argument` when it is no such message. */
export function anthropicCalls(response: AnthropicResponse): ModelCall[] {
  const content = Array.isArray(response) ? response : (response as { content?: unknown } | null)?.content
  // A message may also be plain text.
  if (typeof content === 'string') return []
  if (!Array.isArray(content)) throw notAResponse('a message of the Messages API')
  return content
    .filter((block: AnthropicBlock) => block?.type === 'tool_use')
    .map((block: AnthropicBlock) => ({ id: block.id, name: block.name ?? '', input: block.input }))
}

/** The one message that answers the calls, in their order; none when there were none. */
export function anthropicMessages(
  calls: readonly AnsweredCall[],
  maxCharacters: number,
): AnthropicToolMessage[] {
  if (calls.length === 0) return []
  const content = calls.map(({ id, outcome }): AnthropicToolResult => {
    const { text, isError } = modelContent(outcome, maxCharacters)
    return {
      type: 'tool_result',
      tool_use_id: id ?? '',
      content: text,
      ...(isError ? { is_error: true } : {}),
    }
  })
  return [{ role: 'user', content }]
}
