// A PostgreSQL vault looked at from outside: the steps of its schema, the server, its size. Nothing is made or migrated.
import type { Environment } from '../config/index.ts'
import { ConfigurationError, StoreError } from '../errors.ts'
import { hangUp, loadPg } from './postgres-client.ts'
import { storeError } from './postgres-errors.ts'
import { connect } from './postgres-open.ts'
import { migrations, stepsDone } from './postgres-schema.ts'
import { parsePostgresUrl, placeName } from './postgres-url.ts'
import type { VaultPlace } from './vault-place.ts'

/** How long a statement may take, in milliseconds. */
const statementTimeoutMs = 10_000

/** Looks at a database. */
export async function lookAtDatabase(url: string, env: Environment): Promise<VaultPlace> {
  const place = parsePostgresUrl(url, env)
  const name = placeName(place)
  const plan = { place, statementTimeoutMs, limitAtServer: true, plain: false }
  try {
    const { client } = await connect(await loadPg(), plan)
    const run = async (text: string, values: readonly unknown[] = []) => {
      const { rows } = await client.query<unknown[]>({ text, values: [...values], rowMode: 'array' })
      return rows
    }
    try {
      const schema = await stepsDone({ run }, place.schema, name, migrations)
      const [facts] = await run(
        `SELECT pg_catalog.current_setting('server_version'),
          pg_catalog.pg_database_size(pg_catalog.current_database())::float8`,
      )
      return {
        ...{ kind: 'postgres', name, exists: schema > 0, schema, knownSchema: migrations.length },
        ...{ server: String(facts?.[0]), databaseBytes: Number(facts?.[1]) },
      }
    } finally {
      await hangUp(client)
    }
  } catch (error) {
    if (error instanceof ConfigurationError || error instanceof StoreError) throw error
    throw storeError(error, name, place.password?.())
  }
}
