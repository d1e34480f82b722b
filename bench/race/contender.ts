// What takes part in the race: something that keeps one connection for several processes and calls an API with it.

/** Where a contender keeps its tokens, and whom it talks to. */
export interface Place {
  /** An empty folder, the same for all processes of a race. */
  folder: string
  server: {
    /** Issuer; metadata is at its well-known addresses. */
    url: string
    authorizationUrl: string
    tokenUrl: string
    /** Answers 200 to a live access token, 401 else. */
    apiUrl: string
    clientId: string
    clientSecret: string
  }
}

/** What the consent gave. The access token has ended. */
export interface FirstTokens {
  accessToken: string
  refreshToken: string
  /** When the access token ended, in milliseconds since 1970. */
  expiresAt: number
}

/** A process that takes part. */
export interface Racer {
  /** Calls the API as the project's documentation would have it. Returns the status; throws what its library throws. */
  call(): Promise<number>
  /** How often a person was asked to consent again. */
  consentsAsked(): number
  close?(): Promise<void>
}

/** One project, through a small adapter. Each file of `contenders/` exports one as `contender`. */
export interface Contender {
  /** Keeps the tokens in the folder, as the project does after a consent. */
  connect(place: Place, tokens: FirstTokens): Promise<void>
  /** Joins in this process. */
  join(place: Place): Promise<Racer>
  /** The refresh token that is stored now, for the referee. */
  stored(place: Place): Promise<string | undefined>
}

/** A line of the score table. */
export interface Entry {
  id: string
  /** As the table says it. */
  name: string
  /** The npm package whose version is printed; ours has none. */
  package?: string
}

/** Who takes part. */
export const entries: readonly Entry[] = [
  { id: 'mcp-sdk', name: 'MCP SDK auth(), file', package: '@modelcontextprotocol/sdk' },
  { id: 'mcp-client', name: 'MCP client 2 auth(), file', package: '@modelcontextprotocol/client' },
  { id: 'openid-client', name: 'openid-client, file', package: 'openid-client' },
  { id: 'openid-client-locked', name: 'openid-client, locked file', package: 'openid-client' },
  { id: 'simple-oauth2', name: 'simple-oauth2, file', package: 'simple-oauth2' },
  { id: 'better-auth', name: 'better-auth, SQLite', package: 'better-auth' },
  { id: 'toolgrant', name: 'toolgrant, SQLite' },
]
