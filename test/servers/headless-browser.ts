// A person with a browser, in forty lines of fetch: keeps cookies, follows redirects, presses Allow or Deny.
// For the pages of oidc.ts; the real browser is in test/browser.test.ts.

/** What the person does. */
export interface ConsentOptions {
  /** The name to log in with. Default: `ada`. */
  user?: string
  /** Presses Deny on the consent page. Default: `false`. */
  deny?: boolean
  /** Allows these scopes alone, whatever was asked for. Default: all that are asked for. */
  scopes?: readonly string[]
  /** `false`: stops before the client's redirect URI is opened. Default: `true`. */
  follow?: boolean
}

/** How it ended. */
export interface ConsentResult {
  /** The client's redirect URI with code and state, or the error, in its query, or in its fragment. */
  redirectedUrl: string
  /** What the browser posts to `redirectedUrl` (response mode `form_post`). */
  form?: URLSearchParams
  /** HTTP status of the client's answer; absent when not followed. */
  status?: number
  /** The client's page; absent when not followed. */
  page?: string
}

interface Cookie {
  name: string
  value: string
  path: string
}

/** One person's browser, as far as one authorization server needs it. */
export class HeadlessBrowser {
  readonly #origin: string
  readonly #cookies = new Map<string, Cookie>()

  constructor(origin: string) {
    this.#origin = origin
  }

  /** @throws when the server shows something else than a login, a consent page or a redirect to the client. */
  async consent(authorizationUrl: string, options: ConsentOptions = {}): Promise<ConsentResult> {
    const end = await this.#browse(authorizationUrl, options)
    if ('redirectedUrl' in end) return arrive(end, options.follow ?? true)
    throw new Error(`The authorization server answered ${end.status}: ${end.page.slice(0, 500)}`)
  }

  /**
   * Types a user code in (RFC 8628 section 3.3), or opens `verification_uri_complete`. Returns the text of the last page.
   *
   * @throws when the server knows no such code.
   */
  async device(verificationUri: string, options: ConsentOptions & { code?: string } = {}): Promise<string> {
    const end = await this.#browse(verificationUri, options)
    if ('page' in end && end.page.includes('data-end')) return textOf(end.page)
    throw new Error(`The device page ended with ${JSON.stringify(end).slice(0, 500)}`)
  }

  /** Ends the person's session (RP-Initiated Logout). Returns where the browser ends up, or the text of the page. */
  async logout(endSessionUrl: string): Promise<string> {
    const end = await this.#browse(endSessionUrl, {})
    return 'redirectedUrl' in end ? end.redirectedUrl : textOf(end.page)
  }

  /** Follows redirects and fills in forms until the server is left, or a page has nothing to press. */
  async #browse(url: string, options: ConsentOptions & { code?: string }): Promise<ConsentResult | Page> {
    let response = await this.#request(url)
    for (let step = 0; step < 20; step += 1) {
      const location = response.headers.get('location')
      if (location !== null) {
        const target = new URL(location, response.url)
        if (target.origin !== this.#origin) return { redirectedUrl: target.href }
        response = await this.#request(target.href)
        continue
      }
      const page = await response.text()
      const form = formOf(page)
      if (form === undefined) return { status: response.status, page }
      const action = new URL(form.action ?? '', response.url)
      const fields = new URLSearchParams([...form.hidden, ...presses(page, options)])
      if (action.origin !== this.#origin) return { redirectedUrl: action.href, form: fields }
      response = await this.#request(action.href, fields)
    }
    throw new Error('The authorization server redirects without end.')
  }

  async #request(url: string, form?: URLSearchParams): Promise<Response> {
    const headers = { cookie: this.#cookiesFor(new URL(url).pathname), accept: 'text/html' }
    const response = await fetch(url, {
      headers,
      redirect: 'manual',
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    })
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    return response
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
    const [name = '', ...rest] = pair.split('=')
    const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/'
    const cookie = { name, value: rest.join('='), path }
    if (cookie.value === '') this.#cookies.delete(`${path} ${name}`)
    else this.#cookies.set(`${path} ${name}`, cookie)
  }

  #cookiesFor(pathname: string): string {
    return [...this.#cookies.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }
}

/** A page with nothing to press. */
interface Page {
  status: number
  page: string
}

/** What a person types and presses on a page, by what is on it. */
function presses(page: string, options: ConsentOptions & { code?: string }): string[][] {
  if (page.includes('name="login"'))
    return [
      ['login', options.user ?? 'ada'],
      ['action', 'login'],
    ]
  if (page.includes('op.deviceInputForm')) return [['user_code', options.code ?? '']]
  if (page.includes('op.deviceConfirmForm')) return options.deny ? [['abort', 'yes']] : []
  if (page.includes('op.logoutForm')) return [['logout', 'yes']]
  if (!page.includes('name="action"')) return [] // a form that a script sends off
  const some = options.scopes === undefined ? [] : [['scopes', options.scopes.join(' ')]]
  return [['action', options.deny ? 'deny' : 'allow'], ...some]
}

/** The one form of a page, unless it only asks for a code that was wrong. */
function formOf(page: string): { action: string | undefined; hidden: string[][] } | undefined {
  const tag = /<form\b[^>]*method="post"[^>]*>/.exec(page)?.[0]
  if (tag === undefined || page.includes('data-end')) return undefined
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
  const action = /action="([^"]*)"/.exec(tag)?.[1]
  return {
    action: action === undefined ? undefined : unescapeHtml(action),
    hidden: hidden.map(([, name = '', value = '']) => [name, unescapeHtml(value)]),
  }
}

function unescapeHtml(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&(lt|gt|quot|#x27|amp);/g, (_, name: string) => named[name] ?? '')
}

const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#x27': "'", amp: '&' }

function textOf(page: string): string {
  return unescapeHtml(page.replace(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim()
}

async function arrive(result: ConsentResult, follow: boolean): Promise<ConsentResult> {
  if (!follow) return result
  const post = result.form === undefined ? {} : { method: 'POST', body: result.form }
  const response = await fetch(result.redirectedUrl, { redirect: 'manual', ...post })
  return { ...result, status: response.status, page: await response.text() }
}
