// Gemini's generateContent: `functionCall` parts in, one content of `functionResponse` parts out.
import { type AnsweredCall, type ModelCall, modelObject } from './model-answer.ts'
import { notAResponse } from './wire-openai.ts'

/** A response of generateContent, or the content of one candidate. */
export type GeminiResponse =
  | { candidates?: readonly { content?: GeminiContent | undefined }[] | undefined }
  | GeminiContent

/** The part of a content that is read here. */
export interface GeminiContent {
  role?: string | undefined
  parts?: readonly GeminiPart[] | undefined
}

/** The part of a part that is read here. */
export interface GeminiPart {
  functionCall?:
    | { id?: string | undefined; name?: string | undefined; args?: Record<string, unknown> | undefined }
    | undefined
  text?: string | undefined
}

/** The answer to one function call. */
export interface GeminiFunctionResponsePart {
  functionResponse: { id?: string; name: string; response: Record<string, unknown> }
}

/** The content that answers all of them. */
export interface GeminiFunctionContent {
  role: 'user'
  parts: GeminiFunctionResponsePart[]
}

/** The function calls in a response. @throws {TypeError} `invalid_argument` when it is no such response. */
export function geminiCalls(response: GeminiResponse): ModelCall[] {
  if (typeof response !== 'object' || response === null)
    throw notAResponse('a generateContent response or content')
  const content =
    'parts' in response
      ? response
      : (response as { candidates?: readonly { content?: GeminiContent }[] }).candidates?.[0]?.content
  return (content?.parts ?? []).flatMap(({ functionCall }) =>
    functionCall === undefined
      ? []
      : [{ id: functionCall.id, name: functionCall.name ?? '', input: functionCall.args ?? {} }],
  )
}

/** The one content that answers the calls, in their order; none when there were none. */
export function geminiContents(
  calls: readonly AnsweredCall[],
  maxCharacters: number,
): GeminiFunctionContent[] {
  if (calls.length === 0) return []
  const parts = calls.map(({ id, name, outcome }) => ({
    functionResponse: {
      // Ids are optional here; an id that was sent must come back.
      ...(id === undefined ? {} : { id }),
      name,
      response: modelObject(outcome, maxCharacters) as Record<string, unknown>,
    },
  }))
  return [{ role: 'user', parts }]
}
