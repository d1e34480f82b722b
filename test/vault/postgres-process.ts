// A process of its own with a PostgreSQL store of its own. Run by the tests of that store, which tell it on its command
// line what to do, and read what it prints.
import pg from 'pg'
import { openPostgresStore } from '../../src/vault/postgres-store.ts'

const [task, url = ''] = process.argv.slice(2)

if (task === 'open-when-told') {
  process.send?.('ready')
  await new Promise((resolve) => process.once('message', resolve))
  const store = await openPostgresStore(url)
  process.send?.(`${(await store.keys()).length} keys`)
  await store.close()
  process.disconnect()
}

if (task === 'close' || task === 'forget-to-close') {
  const store = await openPostgresStore(url)
  await store.watch?.(
    () => {},
    () => {},
  )
  await Promise.all([store.keys(), store.keys(), store.keys()])
  if (task === 'close') await store.close()
  process.stdout.write(task)
}

if (task === 'end-others') {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  await client.end()
}
