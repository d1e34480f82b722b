// What a toolbox knows of consents before anybody is asked for one; what asks is loaded with the first call.
import { argumentError } from '../errors.ts'
import type { Flow } from '../flows/index.ts'
import type { Consents } from './consent.ts'
import type { ToolboxListener } from './tool-events.ts'
import type { ToolVault } from './tool-vault.ts'

/** How long a link is usable when nothing is said, in milliseconds. */
export const defaultConsentMs = 600_000

/** What a {@link Consents} works with. */
export interface ConsentsOptions {
  vault: ToolVault
  flow: Flow | undefined
  flows: Readonly<Record<string, Flow>>
  timeoutMs: number
  fetch: typeof fetch | undefined
  onEvent: ToolboxListener | undefined
}

/** Where the consents of one toolbox are, once there are any. */
export interface ConsentDesk {
  readonly options: ConsentsOptions
  consents?: Consents
}

/** @throws {TypeError} `invalid_argument` when the toolbox has no flow of that name. */
export function flowNamed(flows: Readonly<Record<string, Flow>>, name: string): Flow {
  const flow = Object.hasOwn(flows, name) ? flows[name] : undefined
  if (flow !== undefined) return flow
  throw argumentError(
    `No flow is called ${JSON.stringify(name)}. Pass it to the toolbox: new Toolbox({ flows: { ${JSON.stringify(name)}: … } }).`,
  )
}
