// openid-client: `refreshTokenGrant` when the stored token has ended, the tokens in a JSON file that processes share.
// https://github.com/panva/openid-client/blob/main/docs/functions/refreshTokenGrant.md; storage is left to the caller.
import type { Contender } from '../contender.ts'
import { fileContender } from './openid-client-file.ts'

/** Re-reads the file before a refresh, writes it after; the callers of one process share a refresh. */
export const contender: Contender = fileContender((_path, run) => run())
