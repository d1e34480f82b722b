// `npm run simulate -- --seeds 10000`: the vault's refresh protocol in simulated worlds, each determined by its seed.
// Prints what happened how often, so that one sees that it did, and every seed that broke an invariant. Exit code 1 then.
import { parseArgs } from 'node:util'
import { mutations } from './mutations.ts'
import { generatorVersion } from './parameters.ts'
import { printCoverage, printFailure, printTrace } from './report.ts'
import { runShards } from './shards.ts'

const help = `Usage: npm run simulate -- [options]
  --seeds N       how many seeds (default 1000)
  --from N        the first of them (default 1)
  --shards N      threads (default 2)
  --seed N        one seed; with --trace every line of it
  --mutate NAME   with the vault broken on purpose: ${Object.keys(mutations).join(', ')}
  --outage        a provider that is down for four days, and 10 000 connections
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    shards: { type: 'string', default: '2' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mutate: { type: 'string' },
    outage: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

async function main(): Promise<number> {
  if (values.help) return print(help)
  if (values.outage) return outage()
  if (values.seed !== undefined) return printTrace(Number(values.seed), values.trace, print)
  return simulate(Number(values.from), Number(values.seeds))
}

async function simulate(from: number, seeds: number): Promise<number> {
  const to = from + seeds - 1
  print(`Seeds ${from} to ${to} of generator ${generatorVersion}, ${values.shards} threads.`)
  const began = performance.now()
  const report = await runShards({ from, to, shards: Number(values.shards), mutation: values.mutate })
  const seconds = (performance.now() - began) / 1000
  printCoverage(report.coverage, print)
  print(
    `${report.seeds} seeds in ${seconds.toFixed(1)} s: ${(report.seeds / seconds).toFixed(0)} seeds a second, ` +
      `${(report.steps / 1e6).toFixed(1)} million steps, ${(report.virtualMs / 31_557_600_000).toFixed(1)} years of virtual time.`,
  )
  print(`Violations: ${report.failed.length}.`)
  for (const failed of report.failed.slice(0, 5)) await printFailure(failed, print)
  const others = report.failed.slice(5)
  if (others.length > 0)
    print(
      `Further seeds: ${others.map(({ seed, violation }) => `${seed} ${violation.invariant}`).join(', ')}`,
    )
  return report.failed.length === 0 ? 0 : 1
}

async function outage(): Promise<number> {
  const file = './outage.ts'
  const { main: run } = (await import(file)) as { main: () => Promise<number> }
  return run()
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
