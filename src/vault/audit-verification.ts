// Checks an audit log line by line against its hash chain, and names the lines that are not as they were written.
import type { AuditHead, AuditProblem, AuditVerdict, VerifyOptions } from './audit.ts'
import type { AuditChain } from './audit-chain.ts'
import type { AuditLine, Store } from './store.ts'

const pageSize = 1000
const mostProblems = 100

/** Reads the whole log once, a page at a time. */
export async function verifyAudit(
  store: Store,
  tenant: string,
  chain: AuditChain,
  { expect, signal }: VerifyOptions,
): Promise<AuditVerdict> {
  const check = new Check(chain, expect)
  for (let after = 0; ; ) {
    signal?.throwIfAborted()
    const page = await store.auditLines(tenant, after, pageSize)
    for (const line of page) check.line(line)
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return check.verdict()
    after = last.seq
  }
}

/** The check while it goes on. */
class Check {
  readonly #chain: AuditChain
  readonly #expect: AuditHead | undefined
  readonly #problems: AuditProblem[] = []
  #problemCount = 0
  #lines = 0
  #last: Pick<AuditLine, 'seq' | 'hash'>

  constructor(chain: AuditChain, expect: AuditHead | undefined) {
    this.#chain = chain
    this.#expect = expect
    this.#last = { seq: 0, hash: chain.start }
  }

  line(line: AuditLine): void {
    this.#lines += 1
    const follows = line.seq === this.#last.seq + 1
    if (!follows) this.#missing(this.#last.seq + 1, line.seq - 1)
    // Behind a gap the hash before is not known, so that this line itself cannot be judged; those behind it can.
    else if (!sameBytes(line.hash, this.#chain.hash(this.#last.hash, line))) this.#found(line.seq, 'altered')
    if (line.seq === this.#expect?.seq && hex(line.hash) !== this.#expect.hash)
      this.#found(line.seq, 'replaced')
    this.#last = line
  }

  verdict(): AuditVerdict {
    const { seq, hash } = this.#last
    if (this.#expect !== undefined && this.#expect.seq > seq)
      this.#found(seq + 1, 'cut_off', this.#expect.seq)
    return {
      intact: this.#problemCount === 0,
      lines: this.#lines,
      head: seq === 0 ? { seq, hash: '' } : { seq, hash: hex(hash) },
      problems: this.#problems,
      problemCount: this.#problemCount,
    }
  }

  #missing(from: number, to: number): void {
    this.#found(from, 'missing', to)
  }

  #found(seq: number, problem: AuditProblem['problem'], to = seq): void {
    this.#problemCount += 1
    if (this.#problems.length < mostProblems)
      this.#problems.push({ seq, problem, ...(to > seq ? { to } : {}) })
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex')
}
