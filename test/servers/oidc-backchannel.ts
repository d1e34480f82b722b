// The authentication device of CIBA, played by a test: sees what is asked, says yes or no.
// OpenID Connect Client-Initiated Backchannel Authentication section 7.
import { type BackchannelRequest, errors, type Provider } from 'oidc-provider'

/** A question that arrived at the person's device. */
export interface BackchannelQuestion {
  /** `auth_req_id`. */
  id: string
  user: string
  clientId: string
  scopes: readonly string[]
  bindingMessage: string | undefined
}

/** The person's device. */
export class Backchannel {
  /** Every question so far. */
  readonly questions: BackchannelQuestion[] = []
  readonly #provider: () => Provider

  constructor(provider: () => Provider) {
    this.#provider = provider
  }

  /** To be called by the server. */
  arrive(request: BackchannelRequest): void {
    this.questions.push({
      id: request.jti,
      user: request.accountId,
      clientId: request.clientId,
      scopes: request.scope.split(' '),
      bindingMessage: request.params.binding_message,
    })
  }

  /** Says yes, to the last question unless an id is named. */
  async approve(id?: string): Promise<void> {
    const provider = this.#provider()
    const { user, clientId, scopes, id: asked } = this.#question(id)
    const grant = new provider.Grant({ accountId: user, clientId })
    grant.addOIDCScope(scopes.join(' '))
    await provider.backchannelResult(asked, await grant.save())
  }

  /** Says no. */
  async deny(id?: string): Promise<void> {
    await this.#provider().backchannelResult(
      this.#question(id).id,
      new errors.AccessDenied('The person said no.'),
    )
  }

  #question(id: string | undefined): BackchannelQuestion {
    const found = id === undefined ? this.questions.at(-1) : this.questions.find((one) => one.id === id)
    if (found === undefined) throw new Error('Nothing was asked on the backchannel.')
    return found
  }
}
