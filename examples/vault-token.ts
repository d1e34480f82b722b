// A vault in a file: tokens sealed, kept fresh, handed out one refresh at a time, and revoked in the end.
// Runs by itself: the provider is toolgrant's simulated one. Without `url` and `key`: your data folder and your keychain.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuthorizationRequiredError, authorize, defineProvider, Vault } from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ accessTokenSeconds: 2 })
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
const folder = await mkdtemp(join(tmpdir(), 'example-vault-'))
const ada = { user: 'ada', provider: 'acme' }

const vault = await Vault.open({
  url: `sqlite:${join(folder, 'vault.db')}`,
  key: crypto.getRandomValues(new Uint8Array(32)), // keep it; a vault opens with the key that sealed it, and no other
  clients: { acme: { ...server.client(), provider: acme } },
  onEvent: ({ type, connection }) => console.log(`event: ${type}, generation ${connection.generation}`),
})

const { provider, client } = await vault.registration('acme')
const tokens = await authorize(provider, client, {
  scopes: ['read'],
  openBrowser: (url) => server.browse(url),
})
await vault.save(ada, tokens)

const first = await vault.token(ada)
await new Promise((resolve) => setTimeout(resolve, 2100)) // the token is over now
const second = await vault.token(ada) // so the vault gets another
console.log('renewed:', first.accessToken !== second.accessToken)

for (const { user, provider: id, scopes, status } of await vault.connections())
  console.log(`${user} is connected to ${id} (${scopes.join(' ')}): ${status}`)

const { revoked } = await vault.disconnect(ada)
console.log('revoked at the provider:', revoked, '· token works:', server.isActive(second.accessToken))
await vault.token(ada).catch((error: unknown) => {
  if (error instanceof AuthorizationRequiredError) console.log(error.code)
})

await vault.close()
const file = await readFile(join(folder, 'vault.db'), 'latin1')
console.log(
  'a token in the file:',
  server.issuedSecrets().some((secret) => file.includes(secret)),
)
await rm(folder, { recursive: true })
await server.close()
