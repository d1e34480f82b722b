// openid-client as in openid-client.ts, and the refresh under a lock of proper-lockfile, which other processes wait for:
// what a careful person builds. https://github.com/moxystudio/node-proper-lockfile#lockfile-options
import lockfile from 'proper-lockfile'
import type { Contender } from '../contender.ts'
import { fileContender } from './openid-client-file.ts'

/** Waits for the lock for a minute; the lock of a dead process counts as gone after 10 s (the default). */
export const contender: Contender = fileContender(async (path, run) => {
  const retries = { retries: 300, factor: 1, minTimeout: 200, maxTimeout: 200 }
  const release = await lockfile.lock(path, { retries })
  try {
    return await run()
  } finally {
    await release()
  }
})
