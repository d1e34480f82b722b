// What a toolbox tells whoever keeps records (P94). No argument, result or token is in any event.

/** How a call ended. */
export type CallOutcomeName =
  | 'ok'
  | 'failed'
  | 'timeout'
  | 'invalid_input'
  | 'unknown_tool'
  | 'paused'
  | 'error'
  | 'aborted'

/** One call of a tool, however it ended. */
export interface ToolCallEvent {
  type: 'tool.call'
  /** When it began. */
  at: Date
  user: string
  thread: string | undefined
  tool: string
  /** What it acted with. */
  providers: readonly { provider: string; account: string | undefined; scopes: readonly string[] }[]
  outcome: CallOutcomeName
  /** The error's code, when there is one. */
  code: string | undefined
  durationMs: number
}

/** A consent that began, or ended. */
export interface ConsentEvent {
  type: 'consent.started' | 'consent.finished' | 'consent.failed'
  at: Date
  user: string
  provider: string
  account: string | undefined
  /** Asked for, or for `consent.finished` granted. */
  scopes: readonly string[]
  /** The error's code, for `consent.failed`. */
  code: string | undefined
}

/** What a toolbox reports. */
export type ToolboxEvent = ToolCallEvent | ConsentEvent

/** Hears {@link ToolboxEvent}s. What it throws becomes a process warning; the call goes on. */
export type ToolboxListener = (event: ToolboxEvent) => void

/** Tells the listener; its failure is not the tool's. */
export function emitSafely(listener: ToolboxListener | undefined, event: ToolboxEvent): void {
  if (listener === undefined) return
  try {
    listener(Object.freeze(event))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    globalThis.process?.emitWarning?.(`The toolbox's onEvent failed: ${reason}`, 'ToolgrantWarning')
  }
}
