// The loopback flow in headless Chromium: what a person really sees, and what the browser really loads.
// Screenshots go to test-results/ (not committed): look at them after a change to the pages.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BrowserContext, chromium, type Page, type Response } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FlowRequest, type LoopbackOptions, loopback, type StartedFlow } from '../src/flows/index.ts'
import type { Client } from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { chromiumFlags, chromiumPath } from './setup/chromium.ts'

const screenshots = fileURLToPath(new URL('../test-results', import.meta.url))
const looks = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 320, height: 640 } },
  { name: 'narrow-dark', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
] as const

let oidc: OidcServer
let provider: Provider
let folder: string
let context: BrowserContext
let page: Page
let requested: string[]
let flow: StartedFlow | undefined

beforeAll(async () => {
  oidc = await startOidcServer({ redirectUris: ['https://localhost:41543/'] })
  provider = defineProvider({ id: 'practice', name: 'Practice', issuer: oidc.issuer })
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-browser-'))
  await mkdir(screenshots, { recursive: true })
})
afterAll(async () => {
  await oidc.close()
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  context = await chromium.launchPersistentContext(await mkdtemp(join(folder, 'profile-')), {
    executablePath: chromiumPath() ?? '',
    args: [...chromiumFlags],
    ignoreHTTPSErrors: true,
  })
  page = context.pages()[0] ?? (await context.newPage())
  requested = []
  context.on('request', (request) => requested.push(request.url()))
})
afterEach(async () => {
  flow?.cancel()
  await context.close()
})

async function start(client: Client, options: LoopbackOptions & Partial<FlowRequest> = {}) {
  const listen = { onEvent: () => {}, dataFolder: folder, ...options }
  flow = await loopback(listen).start({
    registration: { provider, client },
    scopes: ['notes.read'],
    ...options,
  })
  return flow
}

/** Logs in and presses a button of the consent page; returns what the flow's own listener answered. */
async function decide(started: StartedFlow, button: 'Allow' | 'Deny', user = 'ada'): Promise<Response> {
  await page.goto(started.url)
  await page.getByLabel('Name').fill(user)
  await page.getByRole('button', { name: 'Sign in' }).click()
  const arrival = page.waitForResponse((response) => response.url().startsWith(started.redirectUri))
  await page.getByRole('button', { name: button }).click()
  const response = await arrival
  await page.waitForLoadState()
  return response
}

/** Every look of the page at hand, for people's eyes; and no look may make it scroll sideways. */
async function photograph(name: string): Promise<void> {
  for (const look of looks) {
    await page.setViewportSize(look.viewport)
    await page.emulateMedia({ colorScheme: look.colorScheme })
    await page.screenshot({ path: join(screenshots, `${name}-${look.name}.png`) })
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
  }
}

/** P18: the policy is there, and the browser obeys it. */
async function expectStrictPolicy(response: Response): Promise<void> {
  const headers = response.headers()
  const policy = headers['content-security-policy'] ?? ''
  for (const directive of ['default-src', 'base-uri', 'form-action', 'frame-ancestors'])
    expect(policy).toContain(`${directive} 'none'`)
  expect(policy).toMatch(/style-src 'nonce-[^']+'/)
  expect(policy).not.toContain('unsafe')
  expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
  const blocked = await page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const violations: string[] = []
        document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
          violations.push(effectiveDirective)
          if (violations.length === 3) resolve(violations.sort())
        })
        for (const [tag, attribute, value] of [
          ['img', 'src', 'http://127.0.0.1:9/pixel.png'],
          ['script', 'textContent', 'document.title = "broken in"'],
          ['style', 'textContent', 'body { display: none }'],
        ] as const)
          document.body.append(Object.assign(document.createElement(tag), { [attribute]: value }))
        setTimeout(() => resolve(violations.sort()), 3_000)
      }),
  )
  expect(blocked).toEqual(['img-src', 'script-src-elem', 'style-src-elem'])
  expect(await page.title()).not.toBe('broken in')
}

/** The person's whole way: the authorization server, the flow's own page, and nobody else. */
function expectNoOtherHosts(started: StartedFlow): void {
  const hosts = new Set(requested.map((url) => new URL(url).origin))
  expect([...hosts].sort()).toEqual([oidc.issuer, new URL(started.redirectUri).origin].sort())
  const own = requested.filter((url) => url.startsWith(started.redirectUri))
  expect(own).toHaveLength(1) // the page itself: no icon, style sheet or font
}

describe('in headless Chromium', () => {
  it('P16 P18 login and consent end on the success page', async () => {
    const started = await start(oidc.publicClient, { scopes: ['notes.read', 'notes.write', 'notes.delete'] })
    const response = await decide(started, 'Allow')
    const tokens = await started.result()
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada' })
    expect(response.status()).toBe(200)
    expect(await page.title()).toBe('Connected to Practice')
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Connected to Practice')
    expect(await page.getByText('You can close this window').isVisible()).toBe(true)
    expect(await page.getByText('Not granted').isVisible()).toBe(true) // the server knows no notes.delete
    expectNoOtherHosts(started)
    await photograph('success')
    await expectStrictPolicy(response)
  })

  it('P15 P18 a denial ends on the denial page', async () => {
    const started = await start(oidc.publicClient)
    const response = await decide(started, 'Deny')
    await expect(started.result()).rejects.toMatchObject({ code: 'access_denied' })
    expect(response.status()).toBe(400)
    expect(await page.title()).toBe('Not connected to Practice')
    expect(await page.getByText('access_denied: The person said no.').isVisible()).toBe(true)
    expectNoOtherHosts(started)
    await photograph('denial')
    await expectStrictPolicy(response)
  })

  it('P16 a refused code ends on the failure page', async () => {
    const started = await start({ ...oidc.confidentialClient, clientSecret: 'wrong' })
    const response = await decide(started, 'Allow')
    await expect(started.result()).rejects.toMatchObject({ name: 'TokenEndpointError' })
    expect(response.status()).toBe(502)
    expectNoOtherHosts(started)
    await photograph('failure')
    await expectStrictPolicy(response)
  })

  it('P18 a script in the error is inert', async () => {
    const started = await start(oidc.publicClient)
    const callback = new URL(started.redirectUri)
    callback.searchParams.set('state', started.pending.state)
    callback.searchParams.set('iss', oidc.issuer)
    callback.searchParams.set('error', '<script>document.title = "broken in"</script>')
    callback.searchParams.set('error_description', '<img src=x onerror=\'document.title = "broken in"\'>')
    const response = await page.goto(callback.href)
    expect(response?.status()).toBe(400)
    expect(await page.title()).toBe('Not connected to Practice')
    expect(await page.locator('main script, main img').count()).toBe(0)
    expect(await page.getByText('<script>document.title').isVisible()).toBe(true)
    await started.result().catch(() => {})
  })

  it('P9 a stranger’s link shows that nothing waits for it, and the right answer still counts', async () => {
    const started = await start(oidc.publicClient)
    const response = await page.goto(`${started.redirectUri}?code=stolen&state=forged`)
    expect(response?.status()).toBe(400)
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(
      'Nothing is waiting for this answer',
    )
    await photograph('unknown-state')
    expect((await decide(started, 'Allow')).status()).toBe(200)
    await expect(started.result()).resolves.toBeDefined()
  })

  it('P3 P7 the managed certificate serves the same page over https', async () => {
    const started = await start(oidc.webClient, { https: 'managed', port: 41_543 })
    expect(started.redirectUri).toBe('https://localhost:41543/')
    const response = await decide(started, 'Allow')
    await started.result()
    expect(response.status()).toBe(200)
    const security = await response.securityDetails()
    expect(security?.subjectName).toBe('localhost')
    expect(security?.protocol).toBe('TLS 1.3')
    expect(await page.title()).toBe('Connected to Practice')
    expectNoOtherHosts(started)
  })

  it('P19 idle connections of the browser do not keep the port', async () => {
    const first = await start(oidc.publicClient)
    await decide(first, 'Allow')
    await first.result()
    const port = Number(new URL(first.redirectUri).port)
    const again = await start(oidc.publicClient, { port })
    expect(again.redirectUri).toBe(first.redirectUri)
  })

  it('R3 P18 an answer in the fragment leaves the address and the history, and is posted home', async () => {
    const started = await start(oidc.publicClient, { responseMode: 'fragment' })
    const bodies: string[] = []
    context.on('request', (request) => bodies.push(request.postData() ?? ''))
    const landed = await decide(started, 'Allow')
    await page.getByRole('heading', { name: 'Connected to Practice' }).waitFor()
    const tokens = await started.result()
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada' })
    expect(page.url()).toBe(started.redirectUri)
    const code = new URLSearchParams(bodies.find((body) => body.includes('code='))).get('code') ?? 'none'
    expect(code).not.toBe('none')
    expect(requested.filter((url) => url.startsWith(started.redirectUri) && url.includes(code))).toEqual([])
    const session = await context.newCDPSession(page)
    const { entries } = await session.send('Page.getNavigationHistory')
    expect(entries.map(({ url }) => url).filter((url) => url.includes(code))).toEqual([])
    expect(landed.headers()['content-security-policy']).toMatch(/script-src 'nonce-[^']+'/)
    await photograph('fragment-success')
  })

  it('R3 an answer that the provider posts ends on the success page', async () => {
    const started = await start(oidc.publicClient, { responseMode: 'form_post' })
    const response = await decide(started, 'Allow')
    await started.result()
    expect([response.request().method(), response.status()]).toEqual(['POST', 200])
    expect([await page.title(), page.url()]).toEqual(['Connected to Practice', started.redirectUri])
    await expectStrictPolicy(response)
  })

  it('a fragment page opened without an answer says so', async () => {
    const started = await start(oidc.publicClient, { responseMode: 'fragment' })
    expect((await page.goto(started.redirectUri))?.status()).toBe(200)
    expect(await page.getByText('There is no answer in this address').isVisible()).toBe(true)
    await photograph('fragment-empty')
    expect((await decide(started, 'Allow')).status()).toBe(200)
    await started.result()
  })

  it('P24 a long list of scopes and a long name stay readable', async () => {
    const scopes = Array.from(
      { length: 20 },
      (_, index) => `https://api.practice.example/auth/notes.${index}.readonly`,
    )
    const everything = await startOidcServer({ scopes })
    const named = defineProvider({
      id: 'long',
      name: 'The Practice Workspace for Very Long Names',
      issuer: everything.issuer,
    })
    const started = await loopback({ onEvent: () => {} }).start({
      registration: { provider: named, client: everything.publicClient },
      scopes,
      account: 'ada.lovelace@a-rather-long-company-name.example',
    })
    await decide(started, 'Allow')
    await started.result()
    await photograph('long')
    await everything.close()
  })
})
