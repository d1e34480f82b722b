// `npm run race`: the same races for several OAuth clients, and a score table. Every cell is measured in this run.
// The other clients are installed into this folder on the first run, at the versions of its package-lock.json.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Contender, type Entry, entries } from './contender.ts'
import { type Measured, type Race, races, runRace } from './races.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const usage = `npm run race -- [--only id,id] [--races id,id] [--json]
  --only   contenders: ${entries.map(({ id }) => id).join(', ')}
  --races  races: ${races.map(({ id }) => id).join(', ')}
  --json   one line of figures a race and contender, in place of the table`

const { values } = parseArgs({
  options: {
    ...{ only: { type: 'string' }, races: { type: 'string' } },
    ...{ json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  },
})

interface Result {
  entry: Entry
  race: Race
  measured: Measured
}

if (values.help) console.log(usage)
else {
  install()
  const results: Result[] = []
  for (const race of chosen(races, values.races)) results.push(...(await runOne(race)))
  if (!values.json) printTable(results)
}

function chosen<T extends { id: string }>(all: readonly T[], ids: string | undefined): readonly T[] {
  if (ids === undefined) return all
  return ids.split(',').map((id) => {
    const found = all.find((one) => one.id === id)
    if (found === undefined) throw new Error(`There is no ${id}.\n${usage}`)
    return found
  })
}

/** `npm ci` where it was not run since the lock file changed. */
function install(): void {
  const done = join(here, 'node_modules', '.package-lock.json')
  const lock = join(here, 'package-lock.json')
  if (existsSync(done) && statSync(done).mtimeMs >= statSync(lock).mtimeMs) return
  console.error('Installing the clients to race against into bench/race (npm ci, about 65 MB) …')
  execFileSync('npm', ['ci'], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
}

async function runOne(race: Race): Promise<Result[]> {
  const runners = chosen(entries, values.only)
  if (race.waits) return Promise.all(runners.map((entry) => measure(entry, race)))
  const results: Result[] = []
  for (const entry of runners) results.push(await measure(entry, race))
  return results
}

async function measure(entry: Entry, race: Race): Promise<Result> {
  const { contender }: { contender: Contender } = await import(`./contenders/${entry.id}.ts`)
  const measured = await runRace(race, contender, entry.id)
  const line = {
    race: race.id,
    contender: entry.name,
    version: versionOf(entry),
    passes: race.passes(measured),
  }
  if (values.json) console.log(JSON.stringify({ ...line, ...measured }))
  else console.error(`${race.id}: ${entry.name}`)
  return { entry, race, measured }
}

function versionOf(entry: Entry): string {
  const file =
    entry.package === undefined
      ? new URL('../../package.json', import.meta.url)
      : new URL(`node_modules/${entry.package}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}

function printTable(results: readonly Result[]): void {
  const ran = chosen(races, values.races)
  console.log(`| contender | version | ${ran.map(({ id }) => id).join(' | ')} | passes |`)
  console.log(`|---|---|${ran.map(() => '---|').join('')}---|`)
  for (const entry of chosen(entries, values.only)) {
    const own = results.filter((result) => result.entry === entry)
    const cells = ran.map((race) => own.find((result) => result.race === race)).map(cell)
    const passed = own.filter(({ race, measured }) => race.passes(measured)).length
    console.log(`| ${entry.name} | ${versionOf(entry)} | ${cells.join(' | ')} | ${passed} of ${ran.length} |`)
  }
  console.log('\nA cell: whether it passes; refresh requests; callers served; and what went wrong.\n')
  for (const { id, what, rule } of ran) console.log(`- **${id}**: ${what}. Passes when ${rule}.`)
}

function cell(result: Result | undefined): string {
  if (result === undefined) return ''
  const { race, measured } = result
  const { refreshRequests, reuseViolations, served, callers, consentsAsked, alive } = measured
  const wrong = [
    ...(reuseViolations > 0 ? [`${reuseViolations} reuse`] : []),
    ...(alive || race.id === 'revoked' ? [] : ['grant lost']),
    ...(consentsAsked > 0 && race.id !== 'revoked' ? [`${consentsAsked} asked to consent`] : []),
  ]
  const figures = [`${refreshRequests} req`, `${served}/${callers}`, ...wrong]
  return `${race.passes(measured) ? 'yes' : '**no**'}: ${figures.join(', ')}`
}
