// A person with a browser, in forty lines of fetch: keeps cookies, follows redirects, presses Allow or Deny.
// For the pages of oidc.ts; the real browser is in test/browser.test.ts.

/** What the person does. */
export interface ConsentOptions {
  /** The name to log in with. Default: `ada`. */
  user?: string
  /** Presses Deny on the consent page. Default: `false`. */
  deny?: boolean
  /** `false`: stops before the client's redirect URI is opened. Default: `true`. */
  follow?: boolean
}

/** How it ended. */
export interface ConsentResult {
  /** The client's redirect URI with code and state, or the error, in its query. */
  redirectedUrl: string
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
    let response = await this.#request(authorizationUrl)
    for (let step = 0; step < 20; step += 1) {
      const location = response.headers.get('location')
      if (location !== null) {
        const url = new URL(location, response.url)
        if (url.origin !== this.#origin) return arrive(url.href, options.follow ?? true)
        response = await this.#request(url.href)
      } else {
        response = await this.#submit(response, options)
      }
    }
    throw new Error('The authorization server redirects without end.')
  }

  async #submit(response: Response, options: ConsentOptions): Promise<Response> {
    const page = await response.text()
    if (!response.ok || !page.includes('<form method="post">'))
      throw new Error(`The authorization server answered ${response.status}: ${page.slice(0, 500)}`)
    const login = page.includes('name="login"')
    const form = login
      ? { action: 'login', login: options.user ?? 'ada' }
      : { action: options.deny ? 'deny' : 'allow' }
    return this.#request(response.url, new URLSearchParams(form))
  }

  async #request(url: string, form?: URLSearchParams): Promise<Response> {
    const headers = { cookie: this.#cookiesFor(new URL(url).pathname) }
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

async function arrive(redirectedUrl: string, follow: boolean): Promise<ConsentResult> {
  if (!follow) return { redirectedUrl }
  const response = await fetch(redirectedUrl, { redirect: 'manual' })
  return { redirectedUrl, status: response.status, page: await response.text() }
}
