// `npm run faults`: kills, stops and cuts off real processes at every step of a refresh, and prints what became of the
// grants. Exit code 1 when one was lost that need not have been, or a refresh token was spent twice.
import { parseArgs } from 'node:util'
import { checkDurability } from '../durability/check.ts'
import { crashPostgres } from '../durability/postgres-crash.ts'
import { measureSyncCost } from '../durability/sync-cost.ts'
import { isSound, runCrowd } from './crowd.ts'
import { runScenarios, runTroubles } from './harness.ts'
import { table, totalsOf, violationsOf } from './report.ts'
import { faultName, scenarios } from './scenario.ts'
import { postgresHost, type StoreHost, type StoreKind, sqliteHost } from './store-place.ts'
import type { Verdict } from './verdict.ts'

const usage = `npm run faults -- [--store sqlite|postgres] [--kills 1000] [--seed 1] [--lanes 16] [--lease 2000] [--only text]
  --store  one store; without it both
  --kills  how many processes are killed, a store; stops, cut connections and undisturbed runs come on top
  --seed   which scenarios; printed, so that a run can be repeated
  --lanes  how many scenarios run at a time, three processes each
  --lease  the lease, in milliseconds
  --only   scenarios whose fault has this text in it ("stopped after intent", "disk full")
  --crowd       instead: 50 processes on one row of PostgreSQL, 8 on one SQLite file, a provider that takes 40 s
  --durability  instead: is what was seen on the disk, after power cuts (SQLite; Linux) and killed servers (PostgreSQL)`

const { values } = parseArgs({
  options: {
    ...{ store: { type: 'string' }, kills: { type: 'string', default: '1000' } },
    ...{ seed: { type: 'string', default: '1' }, lanes: { type: 'string', default: '16' } },
    ...{ lease: { type: 'string', default: '2000' }, only: { type: 'string', default: '' } },
    ...{ crowd: { type: 'boolean', default: false }, durability: { type: 'boolean', default: false } },
    help: { type: 'boolean', default: false },
  },
})
const print = (line: string) => void process.stdout.write(`${line}\n`)
const progress = (label: string) => (_: Verdict, done: number, of: number) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${label}: ${done} of ${of} `)
  else if (done % 200 === 0) process.stderr.write(`${label}: ${done} of ${of}\n`)
}

const stores: readonly StoreKind[] =
  values.store === undefined ? ['sqlite', 'postgres'] : [storeNamed(values.store)]
if (values.help) print(usage)
else
  process.exitCode = (await (values.crowd ? crowds() : values.durability ? durability() : faults())) ? 0 : 1

/** Whether nothing was wrong. */
async function faults(): Promise<boolean> {
  const verdicts: Verdict[] = []
  for (const store of stores) verdicts.push(...(await faultsOn(store)))
  for (const line of violationsOf(verdicts)) print(`WRONG ${line}`)
  const totals = totalsOf(verdicts)
  print(JSON.stringify({ faults: stores.join(', '), seed: Number(values.seed), ...totals }))
  return totals.wrong === 0
}

async function crowds(): Promise<boolean> {
  let sound = true
  for (const store of stores) {
    const host = store === 'sqlite' ? sqliteHost() : await postgresHost()
    try {
      const processes = store === 'sqlite' ? 8 : 50
      const slow = { callersEach: 4, latencyMs: 40_000, leaseMs: 15_000 }
      const figures = await runCrowd({ host, processes, ...slow })
      sound &&= isSound(figures)
      print(JSON.stringify({ crowd: isSound(figures) ? 'ok' : 'WRONG', ...figures }))
    } finally {
      await host.close()
    }
  }
  return sound
}

async function durability(): Promise<boolean> {
  const seed = Number(values.seed)
  let sound = true
  if (stores.includes('sqlite')) {
    const figures = await checkDurability({ connections: 4, rounds: 250, cuts: 500, seed })
    const { losing } = await checkDurability({
      connections: 4,
      rounds: 50,
      cuts: 50,
      seed,
      synchronous: 'OFF',
    })
    sound &&= figures.losing + figures.unsound === 0 && losing > 0
    print(JSON.stringify({ durability: 'sqlite', seed, ...figures, losingWithSynchronousOff: losing }))
    print(JSON.stringify({ save: 'sqlite', ...(await measureSyncCost(2000)) }))
  }
  if (stores.includes('postgres')) {
    const settings = { synchronous_commit: 'off', wal_writer_delay: '10000ms' }
    const figures = await crashPostgres({ crashes: 10, after: 200, settings })
    const weak = await crashPostgres({ crashes: 2, after: 100, settings, leaveItToTheServer: true })
    sound &&= figures.missing.length === 0 && weak.missing.length > 0
    const { missing, ...rest } = figures
    print(
      JSON.stringify({
        durability: 'postgres',
        ...rest,
        missing,
        missingWithoutOurSetting: weak.missing.length,
      }),
    )
  }
  return sound
}

function storeNamed(name: string): StoreKind {
  if (name === 'sqlite' || name === 'postgres') return name
  throw new Error(`There is no store ${name}.\n${usage}`)
}

async function faultsOn(kind: StoreKind): Promise<Verdict[]> {
  const host: StoreHost = kind === 'sqlite' ? sqliteHost() : await postgresHost()
  const started = performance.now()
  try {
    const onStarved = () => print('Run again: this machine let a process stand still for half a lease.')
    const options = { host, lanes: Number(values.lanes), leaseMs: Number(values.lease), onStarved }
    const list = scenarios(Number(values.kills), Number(values.seed))
    const wanted = list.filter((scenario) => faultName(scenario).includes(values.only))
    const verdicts = await runScenarios(wanted, { ...options, onVerdict: progress(kind) })
    const troubled = await runTroubles(
      { ...options, onVerdict: progress(`${kind}, store in trouble`) },
      values.only,
    )
    if (typeof troubled === 'string') print(`Not run on ${kind}: ${troubled}.`)
    else verdicts.push(...troubled)
    if (process.stderr.isTTY) process.stderr.write('\n')
    print(table(kind, verdicts))
    print(`${kind}: ${Math.round((performance.now() - started) / 1000)} s\n`)
    return verdicts
  } finally {
    await host.close()
  }
}
