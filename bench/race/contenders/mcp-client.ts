// @modelcontextprotocol/client, the second version: as mcp-sdk.ts.
// https://github.com/modelcontextprotocol/typescript-sdk/blob/main/docs/client.md ("Full OAuth with user authorization")
import { auth, withOAuth } from '@modelcontextprotocol/client'
import type { Contender } from '../contender.ts'
import { mcpContender } from './mcp-provider.ts'

/** Refreshes with `auth()` when the API answers 401. */
export const contender: Contender = mcpContender({ auth, withOAuth })
