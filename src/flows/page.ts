// The pages a person sees at the end of a flow: plain HTML that escapes every value, loads nothing and, but for the one
// that reads a fragment, runs nothing.
// RFC 9700 section 4.2.4 (no referrer), RFC 6749 section 10.5 (no third-party content on a page whose URL has a code).
import { escapeHtml } from './escape-html.ts'

/** A page as it is sent. */
export interface Page {
  status: number
  headers: Readonly<Record<string, string>>
  body: string
}

/** What a success page is about. */
export interface SuccessPage {
  /** The provider's name for people. */
  provider: string
  /** Account label, when the flow has one. */
  account?: string
  /** The scopes granted. */
  scopes: readonly string[]
  /** The scopes that were asked for and not granted. */
  missingScopes: readonly string[]
}

/** What a failure page is about. */
export interface FailurePage {
  /** The provider's name for people. */
  provider: string
  /** HTTP status of the page. */
  status: number
  title: string
  /** What happened, in a sentence. */
  message: string
  /** What to do next, in a sentence. */
  nextStep: string
  /** For whoever has to mend it; may hold text that the provider chose. No secret. */
  details?: string
  /** What was thrown. */
  error: unknown
}

/**
 * Pages of your own: HTML, or a function that returns it. Escape what you put in with {@link escapeHtml}: names and
 * details come from outside. Your pages get no Content-Security-Policy, because only you know what they load; remember
 * that the code is still in their URL, so they should load nothing from elsewhere.
 */
export interface FlowPages {
  success?: string | ((page: SuccessPage) => string | Promise<string>)
  failure?: string | ((page: FailurePage) => string | Promise<string>)
}

const commonHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * The scopes asked for and not granted, as far as a person should hear of it: providers answer with longer names
 * (`https://www.googleapis.com/auth/userinfo.email` for `email`), in other cases, and without `offline_access`.
 */
export function missingScopes(asked: readonly string[], granted: readonly string[]): string[] {
  const names = new Set(
    granted.flatMap((scope) => [scope, lastPart(scope)]).map((name) => name.toLowerCase()),
  )
  return asked.filter((scope) => scope !== 'offline_access' && !names.has(scope.toLowerCase()))
}

function lastPart(scope: string): string {
  return scope.startsWith('https://')
    ? scope.slice(scope.lastIndexOf('/') + 1).replace(/^userinfo\./, '')
    : scope
}

/** The page after a token exchange that succeeded. */
export async function successPage(page: SuccessPage, pages: FlowPages = {}): Promise<Page> {
  const own = await ownPage(pages.success, page)
  if (own !== undefined) return { status: 200, headers: commonHeaders, body: own }
  const account = page.account === undefined ? '' : ` as <strong>${escapeHtml(page.account)}</strong>`
  return builtInPage(200, 'success', `Connected to ${page.provider}`, [
    `<p>Your <strong>${escapeHtml(page.provider)}</strong> account is now connected${account}.</p>`,
    '<p>You can close this window and go back to where you started.</p>',
    scopeLists(page),
  ])
}

/** The page after a refusal or a failure, and for requests that belong to no flow. */
export async function failurePage(page: FailurePage, pages: FlowPages = {}): Promise<Page> {
  const own = await ownPage(pages.failure, page)
  if (own !== undefined) return { status: page.status, headers: commonHeaders, body: own }
  return builtInPage(page.status, 'failure', page.title, [
    `<p>${escapeHtml(page.message)}</p>`,
    page.details === undefined ? '' : `<pre>${escapeHtml(page.details)}</pre>`,
    `<p class="rest">${escapeHtml(page.nextStep)}</p>`,
  ])
}

/**
 * The page for an answer in the fragment, which no server ever sees: it takes the fragment out of the address (and so out
 * of the history) and posts it back here. Its script is the only one that its policy lets run; it loads nothing.
 */
export function fragmentPage(): Page {
  return builtInPage(
    200,
    'waiting',
    'One moment',
    ['<p id="status">The answer is on its way.</p>', `<noscript><p class="rest">${noScript}</p></noscript>`],
    fragmentScript,
  )
}

const noScript =
  'This browser runs no scripts, so nobody can read the answer behind the # of this address. Allow scripts for this page and reload it, or paste the whole address where you started.'

const fragmentScript = `
const answer = new URLSearchParams(location.hash.slice(1))
const here = location.pathname + location.search
history.replaceState(null, '', here)
const form = document.createElement('form')
form.method = 'post'
form.action = here
for (const [name, value] of answer) {
  const field = document.createElement('input')
  field.type = 'hidden'
  field.name = name
  field.value = value
  form.append(field)
}
if (form.childElementCount > 0) {
  document.body.append(form)
  form.submit()
} else {
  document.querySelector('h1').textContent = 'Nothing to read here'
  document.getElementById('status').textContent = 'There is no answer in this address. Close this window and start again.'
}
`.trim()

/** How long a page function may take, in milliseconds, before the built-in page is sent instead. */
const ownPageLimitMs = 5_000

/** A page of the caller's own. One that throws, or never comes, must not cost the person the answer. */
async function ownPage<T>(
  own: string | ((page: T) => string | Promise<string>) | undefined,
  page: T,
): Promise<string | undefined> {
  if (typeof own !== 'function') return own
  const limit = Promise.withResolvers<never>()
  const tooSlow = () => limit.reject(new Error(`The page function took more than ${ownPageLimitMs} ms.`))
  const timer = setTimeout(tooSlow, ownPageLimitMs)
  try {
    return String(await Promise.race([own(page), limit.promise]))
  } catch (error) {
    globalThis.process?.emitWarning?.(error instanceof Error ? error : String(error))
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

const longestScopeList = 12

function scopeLists({ scopes, missingScopes }: SuccessPage): string {
  const lists = scopeList('Granted', scopes) + scopeList('Not granted', missingScopes)
  return lists === '' ? '' : `<div class="rest">${lists}</div>`
}

function scopeList(title: string, scopes: readonly string[]): string {
  if (scopes.length === 0) return ''
  const shown = scopes.slice(0, longestScopeList).map((scope) => `<li><code>${breakable(scope)}</code></li>`)
  const rest = scopes.length - longestScopeList
  if (rest > 0) shown.push(`<li>and ${rest} more</li>`)
  return `<h2>${title}</h2><ul>${shown.join('')}</ul>`
}

/** Long scopes are URLs or dotted names: they may break after a slash or dot. */
function breakable(scope: string): string {
  return scope
    .split(/(?<=[/.:](?![/.:]))/)
    .map(escapeHtml)
    .join('<wbr>')
}

const marks = {
  success: '<path d="m7.5 12.5 3 3 6-7"/>',
  failure: '<path d="M12 7.5v6M12 16.5v.01"/>',
  waiting: '<path d="M7.5 12v.01M12 12v.01M16.5 12v.01"/>',
}

function builtInPage(
  status: number,
  kind: keyof typeof marks,
  title: string,
  parts: readonly string[],
  script?: string,
): Page {
  const nonce = randomNonce()
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    "base-uri 'none'",
    ...(script === undefined
      ? ["form-action 'none'"]
      : ["form-action 'self'", `script-src 'nonce-${nonce}'`]),
    "frame-ancestors 'none'",
  ]
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${style}</style>
</head>
<body>
<main class="${kind}">
<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.5"/>${marks[kind]}</svg>
<h1>${escapeHtml(title)}</h1>
${parts.filter((part) => part !== '').join('\n')}
</main>
<footer>Shown by toolgrant, from this computer.</footer>${
    script === undefined ? '' : `\n<script nonce="${nonce}">${script}</script>`
  }
</body>
</html>
`
  return { status, headers: { ...commonHeaders, 'content-security-policy': policy.join('; ') }, body }
}

function randomNonce(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))))
}

const style = `
:root{color-scheme:light dark;--page:#f3f4f6;--card:#fff;--text:#1b1f24;--soft:#59636e;--line:#d8dee4;--good:#1a7f37;--bad:#b3261e;--chip:#eef1f4}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--card:#161b22;--text:#e6edf3;--soft:#9ba6b2;--line:#30363d;--good:#4ac26b;--bad:#ff8a80;--chip:#222932}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;min-height:100dvh;padding:1.5rem;display:flex;flex-direction:column;align-items:center;justify-content:center;gap:1.25rem;background:var(--page);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{width:100%;max-width:27rem;padding:2.25rem 2rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;box-shadow:0 1px 2px #0001,0 8px 24px #0000000f;text-align:center;overflow-wrap:anywhere}
svg{width:3.5rem;height:3.5rem;fill:none;stroke:var(--good);stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.failure svg{stroke:var(--bad)}
.waiting svg{stroke:var(--soft)}
h1{margin:.75rem 0 .5rem;font-size:1.4rem;line-height:1.25;font-weight:650;text-wrap:balance}
h2{margin:0 0 .5rem;font-size:.8125rem;font-weight:600;color:var(--soft)}
p{margin:.5rem 0;text-wrap:pretty}
ul{display:flex;flex-wrap:wrap;justify-content:center;gap:.375rem;margin:0;padding:0;list-style:none;font-size:.875rem;color:var(--soft)}
ul+h2{margin-top:1.25rem}
code{display:block;padding:.125rem .5rem;background:var(--chip);border-radius:.375rem;color:var(--text)}
code,pre{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{margin:1rem 0;padding:.75rem .875rem;background:var(--chip);border-radius:.5rem;text-align:left;white-space:pre-wrap}
.rest{margin:1.5rem 0 0;padding-top:1.25rem;border-top:1px solid var(--line);color:var(--soft)}
footer{font-size:.8125rem;color:var(--soft);text-align:center}
@media (max-width:24rem){body{padding:1rem;justify-content:flex-start}main{padding:1.75rem 1.25rem}}
`.trim()
