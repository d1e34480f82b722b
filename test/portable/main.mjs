// Runs the smoke suite in a runtime with a command line: `node main.mjs http://127.0.0.1:4000`. One JSON line on stdout.
import { smoke } from './smoke.mjs'

process.stdout.write(`${JSON.stringify(await smoke(process.argv[2]))}\n`)
