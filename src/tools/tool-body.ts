// The code of each tool, kept where only the call path finds it: a tool runs through its checks or not at all.
import { argumentError } from '../errors.ts'

/** What runs after the checks: the tool's own code and what was piped behind it. */
export interface ToolBody {
  run: (input: never, context: never) => unknown
  pipes: readonly ((result: never, context: never) => unknown)[]
}

const bodies = new WeakMap<object, ToolBody>()

/** Gives a new tool its code. */
export function setBody(tool: object, body: ToolBody): void {
  bodies.set(tool, body)
}

/** @throws {TypeError} `invalid_argument` when it is not a tool. */
export function bodyOf(tool: unknown): ToolBody {
  const body = typeof tool === 'object' && tool !== null ? bodies.get(tool) : undefined
  if (body === undefined)
    throw argumentError('That is no tool: make it with tool({ name, description, input, run }).')
  return body
}
