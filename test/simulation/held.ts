// What a vault holds in memory: every map, set and list in it, private members included, looked up by the debugger's
// eyes. What grows with the number of operations is a leak.
import { type Runtime, Session } from 'node:inspector'

/** A collection somewhere in an object. */
export interface Held {
  /** `EventStream.#lines`. */
  where: string
  size: number
}

/** Members that are not a vault's own, or bounded by what they are for. */
const foreign = /^#?(store|fetch|clients|options|keyring|env|signal|onEvent|random|now|closing|scheduler)$/

/** How deep it looks. */
const deepest = 7

/** All collections in an object, of this thread. */
export function collectionsIn(object: object): Held[] {
  const session = new Session()
  session.connect()
  try {
    const holder = globalThis as { simulated?: object }
    holder.simulated = object
    const root = evaluate(session, 'globalThis.simulated')
    delete holder.simulated
    const found: Held[] = []
    if (root !== undefined) look(session, root, object.constructor.name, 0, found)
    return found
  } finally {
    session.disconnect()
  }
}

function evaluate(session: Session, expression: string): Runtime.RemoteObject | undefined {
  let result: Runtime.RemoteObject | undefined
  session.post('Runtime.evaluate', { expression }, (_error, answer) => {
    result = answer.result
  })
  return result
}

function look(
  session: Session,
  { objectId }: Runtime.RemoteObject,
  path: string,
  depth: number,
  found: Held[],
): void {
  if (objectId === undefined || depth > deepest) return
  for (const { name, value } of membersOf(session, objectId)) {
    if (value?.objectId === undefined || foreign.test(name)) continue
    const where = `${path}.${name}`
    const size = /^(?:Map|Set|Array)\((\d+)\)$/.exec(value.description ?? '')?.[1]
    if (size !== undefined) found.push({ where, size: Number(size) })
    else if (value.subtype === undefined && value.type === 'object')
      look(session, value, `${value.className}`, depth + 1, found)
  }
}

interface Member {
  name: string
  value?: Runtime.RemoteObject | undefined
}

function membersOf(session: Session, objectId: string): Member[] {
  const members: Member[] = []
  session.post('Runtime.getProperties', { objectId, ownProperties: true }, (_error, answer) => {
    const { result, privateProperties = [] } = answer as Runtime.GetPropertiesReturnType & {
      privateProperties?: Member[]
    }
    members.push(...result, ...privateProperties)
  })
  return members
}
