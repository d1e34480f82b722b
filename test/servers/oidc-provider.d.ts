// The part of oidc-provider's interface that test/servers/oidc.ts uses; the package ships no types.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Grant {
    addOIDCScope(scopes: string): void
    addOIDCClaims(claims: readonly string[]): void
    save(): Promise<string>
  }

  export interface AccessToken {
    accountId?: string
    clientId?: string
    scope?: string
    exp?: number
    readonly isValid: boolean
  }

  export interface InteractionDetails {
    uid: string
    prompt: {
      name: string
      details: { missingOIDCScope?: readonly string[]; missingOIDCClaims?: readonly string[] }
    }
    params: { client_id: string; scope?: string }
    session?: { accountId: string }
    grantId?: string
  }

  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    readonly Grant: {
      new (properties: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    readonly AccessToken: { find(value: string): Promise<AccessToken | undefined> }
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: string, listener: (...values: unknown[]) => void): this
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<InteractionDetails>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: Record<string, unknown>,
      options?: { mergeWithLastSubmission?: boolean },
    ): Promise<void>
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  /** An adapter factory with a storage of its own. */
  export function createMemoryAdapter(clockToleranceSeconds?: number): (model: string) => object
}
