// The device flow: a person consents in a browser elsewhere, by a short code; for terminals without one.
// RFC 8628. What it takes is loaded when a flow starts.
import type { DeviceCodeOptions } from '../oauth/index.ts'
import type { Flow, FlowListener, FlowRequest, StartedFlow } from './flow.ts'

/** Options of {@link device}. */
export interface DeviceFlowOptions extends Pick<DeviceCodeOptions, 'sleep'> {
  /** Hears what happens. Default: `stderrFlowLog`, which tells a person what to do, on standard error only. */
  onEvent?: FlowListener | undefined
}

/** A device flow that waits for a person. `redirectUri` is empty: nothing comes back here. */
export interface StartedDeviceFlow extends StartedFlow {
  /** What the person types. */
  readonly userCode: string
  /** Where the person types it. */
  readonly verificationUri: string
  /** The same with the code in it, where the provider has one: then it is also `url`. */
  readonly verificationUriComplete: string | undefined
}

/** A flow by device code. */
export interface DeviceFlow extends Flow {
  /**
   * Asks the provider for a code.
   *
   * @throws {ConfigurationError} `provider_invalid` without a `deviceAuthorizationUrl`.
   * @throws {TokenEndpointError} refused; InvalidResponseError, NetworkError, TimeoutError.
   * @throws {TypeError} `invalid_argument` for `userScopes`, `authorizationDetails`, `responseMode`, `responseType`
   *   and `maxAge`, which are the authorization endpoint's.
   */
  start(request: FlowRequest): Promise<StartedDeviceFlow>
}

/**
 * A flow that needs no port and no browser on this machine: over SSH, in a container, on a television. The person has
 * as long as the provider's code lives (often 15 minutes), or `timeoutMs` if that is less. Nothing comes back here, so
 * `submit` is refused.
 *
 * ```ts
 * const flow = await device().start({ registration: { provider, client } })
 * console.error(`Open ${flow.verificationUri} and type ${flow.userCode}`)
 * const tokens = await flow.result()
 * ```
 */
export function device(options: DeviceFlowOptions = {}): DeviceFlow {
  return {
    async start(request: FlowRequest) {
      const { startDevice } = await import('./device-flow.ts')
      return startDevice(request, options)
    },
  }
}
