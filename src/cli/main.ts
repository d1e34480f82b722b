#!/usr/bin/env node
// The command `toolgrant`. This file runs on any Node from 18 on and loads almost nothing: it answers --version,
// turns away a Node that could not load the rest, and hands over.
import { version } from './version.ts'

const { process } = globalThis
const oldestNode = '22.18'

if (isVersionRequest(process.argv)) print(1, version)
else if (isTooOld(process.versions.node)) refuse()
else import('./run.ts').then(({ run }) => run(process.argv))

function isVersionRequest(argv: readonly string[]): boolean {
  return argv.length === 3 && (argv[2] === '--version' || argv[2] === '-V')
}

function isTooOld(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode.split('.').map(Number)
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor)
}

function refuse(): void {
  const message = `toolgrant needs Node.js ${oldestNode} or newer, and this is ${process.versions.node} (${process.execPath}). Get a newer one from https://nodejs.org/.`
  const json = JSON.stringify({ error: { code: 'runtime_unsupported', message } })
  print(2, process.argv.includes('--json') ? json : message)
  process.exitCode = 2
}

/** Writes one line without loading what `process.stdout` needs, which costs more than everything else here. */
function print(descriptor: 1 | 2, line: string): void {
  const fs = process.getBuiltinModule?.('node:fs')
  try {
    if (fs) fs.writeSync(descriptor, `${line}\n`)
    else (descriptor === 1 ? process.stdout : process.stderr).write(`${line}\n`)
  } catch {
    // Nobody reads it (EPIPE): nothing to say to nobody.
  }
}
