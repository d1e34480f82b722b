// Pages of oidc-provider's device flow and logout, without the web font and the notices of its own.
// RFC 8628 section 3.3; OpenID Connect RP-Initiated Logout section 2. `data-end`: nothing is left to press.
import type { Context } from 'oidc-provider'

function page(ctx: Context, body: string): void {
  ctx.type = 'text/html; charset=utf-8'
  ctx.body = `<!doctype html>\n<html lang="en"><title>practice server</title><main>${body}</main></html>\n`
}

/** oidc-provider's callbacks for the pages of the device flow. */
export const devicePages = {
  userCodeInputSource: (ctx: Context, form: string, _out: unknown, error?: { name: string }) =>
    error === undefined
      ? page(ctx, `<p>Enter the code.</p>${form}<button form="op.deviceInputForm">Continue</button>`)
      : page(ctx, `<p data-end>${endings[error.name] ?? 'This code is not known.'}</p>`),
  userCodeConfirmSource: (ctx: Context, form: string, client: { clientId: string }) =>
    page(
      ctx,
      `<p>Let ${client.clientId} in?</p>${form}<button form="op.deviceConfirmForm">Continue</button>`,
    ),
  successSource: (ctx: Context) => page(ctx, '<p data-end>You may close this page.</p>'),
}

const endings: Record<string, string> = {
  AbortedError: 'You said no.',
  ExpiredError: 'This code has expired.',
  AlreadyUsedError: 'This code was used.',
}

/** oidc-provider's callbacks for the pages of the logout. */
export const logoutPages = {
  logoutSource: (ctx: Context, form: string) =>
    page(ctx, `<p>Sign out?</p>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`),
  postLogoutSuccessSource: (ctx: Context) => page(ctx, '<p data-end>You are signed out.</p>'),
}
