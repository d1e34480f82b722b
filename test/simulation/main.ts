// `npm run simulate -- --seeds 10000`: the vault's refresh protocol in simulated worlds, each determined by its seed.
// Prints what happened how often, so that one sees that it did, and every seed that broke an invariant. Exit code 1 then.
import { parseArgs } from 'node:util'
import { mutations } from './mutations.ts'
import { generatorVersion } from './parameters.ts'
import { printCoverage, printFailure, printWorld } from './report.ts'
import { scenarios } from './scenarios.ts'
import { runScenarios, runShards, shrinkSeed, tellSeed } from './shards.ts'

/** Names in lines of at most 100 characters, under the text of an option. */
function inLines(names: readonly string[]): string {
  const lines = ['']
  for (const name of names) {
    const line = lines.at(-1) ?? ''
    if (line.length + name.length > 80) lines.push(name)
    else lines[lines.length - 1] = line === '' ? name : `${line}, ${name}`
  }
  return lines.join(`,\n${' '.repeat(19)}`)
}

const help = `Usage: npm run simulate -- [options]
  --seeds N        how many seeds (default 1000)
  --from N         the first of them (default 1)
  --shards N       threads (default 2)
  --seed N         one seed; with --trace every line of it
  --scenario NAME  what was found before:
                   ${inLines(Object.keys(scenarios))}
  --mutate NAME    with the vault broken on purpose:
                   ${inLines(Object.keys(mutations))}
  --outage         10 000 connections through four days without their providers
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    shards: { type: 'string', default: '2' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mutate: { type: 'string' },
    outage: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

function main(): number | Promise<number> {
  const { seed, scenario, mutate, trace } = values
  if (values.help) return print(help)
  if (values.outage) return outage()
  if (seed !== undefined) return tell(tellSeed(Number(seed), mutate), trace)
  if (scenario !== undefined) return tell(playScenario(scenario, mutate), trace)
  return simulate(Number(values.from), Number(values.seeds))
}

async function simulate(from: number, seeds: number): Promise<number> {
  const { mutate: mutation, shards } = values
  const to = from + seeds - 1
  print(`Seeds ${from} to ${to} of generator ${generatorVersion}, ${shards} threads.`)
  const began = performance.now()
  const { failed, ...report } = await runShards({ from, to, shards: Number(shards), mutation })
  const seconds = (performance.now() - began) / 1000
  printCoverage(report.coverage, print)
  print(
    `${report.seeds} seeds in ${seconds.toFixed(1)} s: ${(report.seeds / seconds).toFixed(0)} seeds a second, ` +
      `${(report.steps / 1e6).toFixed(1)} million steps, ${(report.virtualMs / 31_557_600_000).toFixed(1)} years of virtual time.`,
  )
  print(`Invariants violated: ${failed.length}.`)
  for (const seed of failed.slice(0, 5)) printFailure(seed, await shrinkSeed(seed, mutation), print)
  const others = failed.slice(5).map(({ seed, violation }) => `${seed} ${violation.invariant}`)
  if (others.length > 0) print(`\nFurther seeds: ${others.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

async function tell(telling: ReturnType<typeof tellSeed>, whole: boolean): Promise<number> {
  const world = await telling
  printWorld(world, whole, print)
  return world.violations.length === 0 ? 0 : 1
}

async function playScenario(name: string, mutation: string | undefined) {
  const { worlds } = await runScenarios([name], mutation)
  const [world] = worlds
  if (world === undefined) throw new Error('The shard told of no world.')
  return world
}

async function outage(): Promise<number> {
  const { main: run } = await import('./outage.ts')
  return run()
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
