// `npm run faults`: kills, stops and cuts off real processes at every step of a refresh, and prints what became of the
// grants. Exit code 1 when one was lost that need not have been, or a refresh token was spent twice.
import { parseArgs } from 'node:util'
import { runHarness } from './harness.ts'
import { table, totalsOf, violationsOf } from './report.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    store: { type: 'string', default: 'sqlite' },
    seed: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '12' },
    lease: { type: 'string', default: '2000' },
  },
})
const started = performance.now()
const verdicts = await runHarness({
  ...{ store: values.store as 'sqlite', kills: Number(values.kills), seed: Number(values.seed) },
  ...{ lanes: Number(values.lanes), leaseMs: Number(values.lease) },
  onVerdict: (_verdict, done, of) => void process.stderr.write(`\r${done}/${of}`),
})
process.stderr.write('\n')
process.stdout.write(`${table(values.store, verdicts)}\n`)
for (const line of violationsOf(verdicts)) process.stdout.write(`WRONG ${line}\n`)
process.stdout.write(
  `${JSON.stringify({ ...totalsOf(verdicts), seconds: Math.round((performance.now() - started) / 1000) })}\n`,
)
