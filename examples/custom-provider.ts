// A provider that the catalogue lacks: its issuer is enough, the endpoints are discovered; or a row like another's.
// Runs by itself: the issuer is toolgrant's simulated server.
import { authorize, ConfigurationError, defineProvider, provider, Session } from 'toolgrant'
import { discover } from 'toolgrant/oauth'
import { extendProvider, resolveVariables } from 'toolgrant/providers'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ openid: true })

// From an issuer (OpenID Connect or RFC 8414): nothing else has to be known.
const intranet = defineProvider({ id: 'intranet', issuer: server.url, apiBaseUrl: `${server.url}/api` })
const { tokenUrl, revocationUrl, issParameterSupported } = await discover(server.url)
console.log(
  'discovered:',
  [tokenUrl, revocationUrl].map((url) => new URL(url ?? '').pathname),
  issParameterSupported,
)

const tokens = await authorize(intranet, server.client(), {
  scopes: 'openid profile',
  openBrowser: (url) => server.browse(url, { user: 'ada' }), // in real life: the person's browser
})
const response = await new Session(tokens, { provider: intranet }).fetch('/me')
console.log(
  'signed in as',
  ((await response.json()) as { user: string }).user,
  '· id_token:',
  tokens.idToken !== undefined,
)

// Like one of the catalogue, a little different.
const slack = extendProvider(await provider('slack'), { defaultScopes: ['chat:write'] })
console.log(slack.name, slack.scopeSeparator, slack.defaultScopes)

// With a variable in its URLs, which the client fills; it cannot lead elsewhere.
const shop = defineProvider({
  id: 'shop',
  authorizationUrl: 'https://{shop}.acme.example/oauth/authorize',
  tokenUrl: 'https://{shop}.acme.example/oauth/token',
  urlVariables: [{ name: 'shop', from: 'user', example: 'blue' }],
})
console.log(resolveVariables(shop, { shop: 'green' }).tokenUrl)
for (const mistake of [
  () => resolveVariables(shop, { shop: 'evil.example/' }),
  () => defineProvider({ id: 'x' } as never),
])
  try {
    mistake()
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    console.log(`${error.code}: ${error.message}`)
  }

await server.close()
