// docs/oauth.md has every grant and extension: in its table, with a section, a snippet and an example that runs; and it
// names every function and class of toolgrant/oauth.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as oauth from '../src/oauth/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(`${root}/docs/oauth.md`, 'utf8')
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => [anchorOf(text.split('\n')[0] ?? ''), text]),
)

/** As GitHub makes them. */
function anchorOf(title: string): string {
  const plain = title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '')
  return plain.replaceAll(' ', '-')
}

/** The rows of the first table: what, the names in backticks of its second cell, and the links of its third. */
const rows = (sections.get('every-grant-and-extension') ?? '')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what '))
  .map((line) => {
    const [, what = '', call = '', more = ''] = line.split('|').map((cell) => cell.trim())
    const links = [...more.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)
    const calls = [...call.matchAll(/`(?:\w+\.)*(\w+)[^`]*`/g)].map(([, name = '']) => name)
    return { what, calls, more, links }
  })

it('names every function and class that toolgrant/oauth exports', () => {
  const names = Object.keys(oauth)
  expect(names.length).toBeGreaterThan(45)
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page))).toEqual([])
})

/** The grants and extensions that there are, by a word of each row. */
const features = [
  /authorization code.*PKCE.*`iss`/,
  /\(PAR\)/,
  /\(JAR\)/,
  /\(JARM\)/,
  /\(RAR\)/,
  /resource indicators/,
  /form_post.*fragment/,
  /^implicit \(legacy\)/,
  /^device/,
  /^client credentials/,
  /^password \(legacy\)/,
  /JWT bearer/,
  /token exchange/,
  /CIBA/,
  /session token/,
  /^refresh/,
  /revocation/,
  /introspection/,
  /^discovery/,
  /protected resource metadata/,
  /dynamic registration and its management/,
  /client-id metadata documents/,
  /DPoP/,
  /mTLS/,
  /private_key_jwt.*client_secret_jwt/,
  /OpenID Connect.*id_token.*userinfo.*logout/,
  /step-up/,
  /hooks/,
]

describe('the table', () => {
  it('has a row for every grant and extension', () => {
    expect(features.filter((feature) => !rows.some(({ what }) => feature.test(what))).map(String)).toEqual([])
  })

  it.each(rows)('$what: a call that exists, a section with a snippet, an example, a source', (row) => {
    const [section = '', ...others] = row.links
    const text = sections.get(section.slice(1)) ?? ''
    expect(text).toContain('```ts\n')
    expect(row.calls.length).toBeGreaterThan(0)
    for (const name of row.calls) expect(text).toContain(name)
    const examples = others.filter((link) => link.startsWith('../examples/')).map((link) => link.slice(3))
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) expect(existsSync(`${root}/${example}`), example).toBe(true)
    const code = examples.map((example) => readFileSync(`${root}/${example}`, 'utf8')).join('\n')
    expect(row.calls.some((name) => code.includes(name))).toBe(true)
    expect(row.more).toMatch(/RFC|OpenID|OAuth/)
  })
})
