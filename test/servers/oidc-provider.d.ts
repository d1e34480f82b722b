// The part of oidc-provider's interface that test/servers/oidc*.ts uses; the package ships no types.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Grant {
    rar?: readonly Readonly<Record<string, unknown>>[]
    addOIDCScope(scopes: string): void
    rejectOIDCScope(scopes: string): void
    addOIDCClaims(claims: readonly string[]): void
    addResourceScope(resource: string, scopes: string): void
    addRar(detail: Readonly<Record<string, unknown>>): void
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
      details: {
        missingOIDCScope?: readonly string[]
        missingOIDCClaims?: readonly string[]
        missingResourceScopes?: Readonly<Record<string, readonly string[]>>
        rar?: readonly Readonly<Record<string, unknown>>[]
      }
    }
    params: { client_id: string; scope?: string }
    session?: { accountId: string }
    grantId?: string
  }

  export interface BackchannelRequest {
    jti: string
    accountId: string
    clientId: string
    scope: string
    params: Readonly<Record<string, string | undefined>>
    /** Resource indicators. */
    resource?: string | readonly string[]
  }

  /** What a callback of the configuration is handed, as far as it is looked at. */
  export interface Context {
    req: IncomingMessage
    type: string
    body: unknown
    oidc: {
      grant: Grant
      client?: { clientId: string }
      params?: Readonly<Record<string, string | undefined>>
      urlFor(route: string): string
    }
  }

  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    readonly Grant: {
      new (properties: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    readonly AccessToken: { find(value: string): Promise<AccessToken | undefined> }
    readonly ClientCredentials: { find(value: string): Promise<AccessToken | undefined> }
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: string, listener: (...values: unknown[]) => void): this
    emit(event: string, ...values: unknown[]): boolean
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<InteractionDetails>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: Record<string, unknown>,
      options?: { mergeWithLastSubmission?: boolean },
    ): Promise<void>
    backchannelResult(request: BackchannelRequest | string, result: Grant | string | Error): Promise<void>
  }

  export const errors: {
    AccessDenied: new (description?: string) => Error
    InvalidTarget: new (description?: string) => Error
    InvalidAuthorizationDetails: new (description?: string) => Error
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  /** An adapter factory with a storage of its own. */
  export function createMemoryAdapter(clockToleranceSeconds?: number): (model: string) => object
}
