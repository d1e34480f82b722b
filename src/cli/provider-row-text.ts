// What deviations say as a provider row, ready to paste: members for `defineProvider`, and for `[providers.<id>]` in
// toolgrant.toml. See docs/providers.md.
import type { Deviation } from '../oauth/index.ts'

/** Members of a provider row. */
export type RowMembers = Readonly<Record<string, unknown>>

/** One row of them all: records and lists are joined, the first word about anything else counts. */
export function rowMembers(deviations: readonly Deviation[]): RowMembers {
  const row: Record<string, unknown> = {}
  for (const { row: members = {} } of deviations)
    for (const [name, value] of Object.entries(members)) row[name] = joined(row[name], value)
  return row
}

function joined(before: unknown, value: unknown): unknown {
  if (before === undefined) return value
  if (Array.isArray(before) && Array.isArray(value)) return [...new Set([...before, ...value])]
  const both = typeof before === 'object' && typeof value === 'object' && !Array.isArray(before)
  return both ? { ...value, ...before } : before
}

/** `{ tokenResponsePath: 'data' }`, a member a line. */
export function codeText(row: RowMembers): string {
  const members = Object.entries(row).map(([name, value]) => `  ${name}: ${valueText(value)},`)
  return ['{', ...members, '}'].join('\n')
}

/** As TypeScript writes it; what a provider called a member is quoted. */
function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (typeof value !== 'object' || value === null) return literal(value)
  const members = Object.entries(value).map(([name, inner]) => `${keyText(name)}: ${valueText(inner)}`)
  return `{ ${members.join(', ')} }`
}

function keyText(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : literal(name)
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replace(/[\\']/g, '\\$&')}'` : JSON.stringify(value)
}

/** The same for toolgrant.toml: snake_case members, inner keys as they are. */
export function tomlText(id: string, row: RowMembers): string {
  const members = Object.entries(row).map(([name, value]) => `${snakeCase(name)} = ${tomlValue(value)}`)
  return [`[providers.${/^[\w-]+$/.test(id) ? id : JSON.stringify(id)}]`, ...members].join('\n')
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, inner]) => {
    const key = /^[\w-]+$/.test(name) ? name : JSON.stringify(name)
    return `${key} = ${tomlValue(inner)}`
  })
  return `{ ${members.join(', ')} }`
}
