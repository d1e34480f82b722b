// `toolgrant doctor --provider <id>`: how a provider's token answers differed from the RFCs, and the provider row that
// says so. The form of --json: docs/doctor.md.
import type { ProviderDeviations, SeenDeviation } from '../vault/index.ts'
import { countText } from './doctor-vault.ts'
import { type Output, printable } from './output.ts'
import { paragraph } from './paragraphs.ts'
import { codeText, rowMembers, tomlText } from './provider-row-text.ts'

/** In words, by what was different. */
const meanings: Readonly<Record<SeenDeviation['code'], string>> = {
  content_type: 'not called JSON',
  form_encoded: 'form-encoded instead of JSON',
  status: 'another status than 200',
  wrapped: 'something around the JSON, or a fault in it',
  nested: 'the tokens are inside another member',
  renamed: 'a member by another name',
  wrong_type: 'a member of another type',
  missing: 'a member that is not there',
  token_type: 'another token type than Bearer',
  scope_separator: 'scopes that are not joined by spaces',
  lifetime: 'the lifetime in another unit or form',
  error_member: 'signs of an error that is none',
  id_token: 'an id_token of a refresh about another sign-in',
  signature: 'an id_token whose signature could not be checked',
}

/** The JSON document. */
export function deviationsRecord(found: ProviderDeviations): Readonly<Record<string, unknown>> {
  const row = rowMembers(found.deviations)
  const toml = Object.keys(row).length === 0 ? {} : { toml: tomlText(found.provider, row) }
  return { version: 1, ...found, row, ...toml }
}

/** The text for people. */
export function deviationsText(found: ProviderDeviations, output: Output): string {
  const { provider, deviations, answers, connections } = found
  const from = `${countText(answers, 'answer')} to ${countText(connections, 'connection')} at ${provider}`
  if (answers === 0) return `No answer of ${provider} is on record yet: connect, or refresh.\n`
  if (deviations.length === 0) return `${from}: as the RFCs want them.\n`
  const lines = deviations.map((one) =>
    paragraph(printable(lineOf(one, answers)), output.outColumns, 4).slice(2),
  )
  const head = output.styleOut('bold', `${from}: understood, and different from the RFCs`)
  return `${[head, ...lines, '', ...rowLines(found, output)].join('\n')}\n`
}

function lineOf({ code, member, found, answers }: SeenDeviation, all: number): string {
  const what = member === undefined ? '' : ` ${member}`
  const instead = found === undefined ? '' : ` (${JSON.stringify(found)})`
  const often = answers === all ? 'always' : `in ${answers} of ${all}`
  return `${code}${what}${instead}: ${meanings[code] ?? 'different'}; ${often}`
}

function rowLines({ provider, deviations }: ProviderDeviations, output: Output): string[] {
  const row = rowMembers(deviations)
  if (Object.keys(row).length === 0) return ['No provider row is needed: nothing of this has a member there.']
  return [
    output.styleOut('bold', 'As members of the provider row, in code (defineProvider, extendProvider)'),
    printableLines(codeText(row)),
    '',
    output.styleOut('bold', 'In toolgrant.toml, beside the endpoints of the provider'),
    printableLines(tomlText(provider, row)),
  ]
}

function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line))
    .join('\n')
}
