// The OAuthClientProvider that both versions of the MCP SDK are given: every member does what its doc comment says, with
// a file that is read anew each time.
import type { Contender, Place, Racer } from '../contender.ts'
import { TokenFile } from '../token-file.ts'

interface Tokens {
  access_token: string
  token_type: string
  refresh_token?: string
}

/** What of the SDK is used. Its types differ between the versions; its behaviour is what is measured. */
interface McpSdk {
  auth: unknown
  withOAuth: unknown
}

type Middleware = (provider: unknown, baseUrl: string) => (next: typeof fetch) => typeof fetch

/** A contender on either version. */
export function mcpContender(sdk: McpSdk): Contender {
  return {
    async connect({ folder }, { accessToken, refreshToken }) {
      const tokens = { access_token: accessToken, refresh_token: refreshToken, token_type: 'Bearer' }
      new TokenFile<Tokens>(folder).write(tokens)
    },
    async join(place) {
      return racer(place, sdk.withOAuth as Middleware)
    },
    stored: async ({ folder }) => new TokenFile<Tokens>(folder).read()?.refresh_token,
  }
}

function racer({ folder, server }: Place, withOAuth: Middleware): Racer {
  const file = new TokenFile<Tokens>(folder)
  let consents = 0
  let verifier = ''
  const provider = {
    redirectUrl: 'http://127.0.0.1:9/callback',
    clientMetadata: { redirect_uris: ['http://127.0.0.1:9/callback'], scope: 'a' },
    clientInformation: () => ({ client_id: server.clientId, client_secret: server.clientSecret }),
    tokens: () => file.read(),
    saveTokens: (tokens: Tokens) => file.write(tokens),
    redirectToAuthorization: () => {
      consents += 1
    },
    saveCodeVerifier: (codeVerifier: string) => {
      verifier = codeVerifier
    },
    codeVerifier: () => verifier,
    invalidateCredentials: (scope: string) => {
      if (scope === 'all' || scope === 'tokens') file.remove()
    },
  }
  const authorised = withOAuth(provider, server.url)(fetch)
  return {
    call: async () => (await authorised(server.apiUrl)).status,
    consentsAsked: () => consents,
  }
}
