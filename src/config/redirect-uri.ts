// The redirect URI of a client: what may be one, and which one to register (RFC 6749 section 3.1.2, RFC 8252 section 7.3).

/** The one to register and to set where nothing else decides: most providers compare redirect URIs exactly, the port included. */
const usualRedirectUri = 'http://127.0.0.1:41539/'

/** What a redirect URI must be, when `text` is none: the end of a sentence. `undefined` when it is one. */
export function redirectUriProblem(text: string): string | undefined {
  if (/^https?:\/\/[^\s#]+$/i.test(text) && URL.canParse(text)) return undefined
  return `must be an absolute http:// or https:// URI without a fragment, such as ${usualRedirectUri}`
}

/** The redirect URI to register when none is set: the one that `[callback]` leads to, else the usual one. */
export function redirectUriToRegister({ port, https }: { port?: number; https?: boolean }): string {
  if (https) return `https://localhost:${port || 41_539}/`
  return port ? `http://127.0.0.1:${port}/` : usualRedirectUri
}
