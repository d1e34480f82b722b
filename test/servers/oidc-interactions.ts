// Login and consent pages of the authorization server in oidc.ts: plain forms, no script, nothing loaded from elsewhere.
// (oidc-provider's own development pages fetch a web font and announce themselves on the console.)
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { InteractionDetails, Provider } from 'oidc-provider'

/** Handles every request below `/interaction/`. The provider is asked for at each: it may have been replaced. */
export function interactionPages(
  current: () => Provider,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const provider = current()
    const details = await provider.interactionDetails(request, response)
    if (request.method !== 'POST') return sendPage(response, details)
    const form = await readForm(request)
    const result = await resultOf(provider, details, form)
    await provider.interactionFinished(request, response, result, {
      mergeWithLastSubmission: details.prompt.name === 'consent' && !('error' in result),
    })
  }
}

async function resultOf(
  provider: Provider,
  details: InteractionDetails,
  form: URLSearchParams,
): Promise<Record<string, unknown>> {
  if (form.get('action') === 'deny')
    return { error: 'access_denied', error_description: 'The person said no.' }
  if (details.prompt.name === 'login') return { login: { accountId: form.get('login') || 'ada' } }
  return { consent: { grantId: await saveGrant(provider, details, form.get('scopes')) } }
}

/** `only`: the scopes that the person allows; without it all that were asked for. */
async function saveGrant(
  provider: Provider,
  details: InteractionDetails,
  only: string | null,
): Promise<string> {
  const accountId = details.session?.accountId ?? ''
  const existing = details.grantId === undefined ? undefined : await provider.Grant.find(details.grantId)
  const grant = existing ?? new provider.Grant({ accountId, clientId: details.params.client_id })
  const { missingOIDCScope = [], missingOIDCClaims, missingResourceScopes, rar } = details.prompt.details
  const allowed = missingOIDCScope.filter((scope) => only?.split(' ').includes(scope) ?? true)
  const refused = missingOIDCScope.filter((scope) => !allowed.includes(scope))
  if (allowed.length > 0) grant.addOIDCScope(allowed.join(' '))
  if (refused.length > 0) grant.rejectOIDCScope(refused.join(' '))
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims)
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {}))
    grant.addResourceScope(resource, scopes.join(' '))
  for (const detail of rar ?? []) grant.addRar(detail)
  return grant.save()
}

function sendPage(response: ServerResponse, details: InteractionDetails): void {
  const login = details.prompt.name === 'login'
  const body = login ? loginForm() : consentForm(details)
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
  response.end(pageOf(login ? 'Sign in' : 'Allow access?', body))
}

function loginForm(): string {
  return `<p>This is a practice account. Any name will do; there is no password.</p>
<form method="post"><label>Name <input name="login" value="ada" autocomplete="off" autofocus></label>
<div class="buttons"><button name="action" value="login">Sign in</button>
<button name="action" value="deny" class="plain" formnovalidate>Cancel</button></div></form>`
}

function consentForm(details: InteractionDetails): string {
  const scopes = (details.params.scope ?? '').split(' ').filter((scope) => scope !== '')
  const list = scopes.map((scope) => `<li><code>${escapeHtml(scope)}</code></li>`).join('')
  return `<p><strong>${escapeHtml(details.params.client_id)}</strong> asks to act for
<strong>${escapeHtml(details.session?.accountId ?? 'you')}</strong> with:</p><ul>${list}</ul>
<form method="post"><div class="buttons"><button name="action" value="allow" autofocus>Allow</button>
<button name="action" value="deny" class="plain">Deny</button></div></form>`
}

function pageOf(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title} · practice server</title><style>
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{display:grid;place-items:center;min-height:100vh;margin:0}
main{width:min(22rem,calc(100% - 3rem));padding:1.5rem;border:1px solid #8885;border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.25rem}input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
.buttons{display:flex;gap:.5rem;margin-top:1rem}button{flex:1;padding:.6rem;font:inherit;border:0;border-radius:.4rem;
background:#2457d6;color:#fff;cursor:pointer}.plain{background:#8883;color:inherit}
</style></head><body><main><h1>${title}</h1>${body}</main></body></html>`
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 10_000) throw new Error('The form is too large.')
  }
  return new URLSearchParams(text)
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
