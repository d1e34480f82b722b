// @modelcontextprotocol/sdk: `withOAuth` over an OAuthClientProvider that keeps its tokens in a file.
// Its documentation leaves storage to the provider: "In production, you should persist tokens securely"
// (examples/client/simpleOAuthClientProvider), which this does as that example does it, with a file for its variable.
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { withOAuth } from '@modelcontextprotocol/sdk/client/middleware.js'
import type { Contender } from '../contender.ts'
import { mcpContender } from './mcp-provider.ts'

/** Refreshes with `auth()` when the API answers 401. */
export const contender: Contender = mcpContender({ auth, withOAuth })
