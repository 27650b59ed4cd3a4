/**
 * Follows a grammar byte by byte. A state is all places where the text can be; states, and where their bytes lead, are made when they are first met and
 * kept.
 */
import type { Grammar } from './grammar.ts'

/** All places where a text can be. */
export interface State {
  /** Whether the text may end here. */
  readonly canEnd: boolean
  /** Whether no byte can follow. */
  readonly isOver: boolean
  /** The state behind a byte; null: it cannot come. */
  next(byte: number): State | null
  /** Tokens that can come, once somebody has asked. */
  mask: Uint32Array | null
}

export interface Automaton {
  start(): State
}

/** States that are kept; then all are forgotten, and made again as they are met. */
const MOST_STATES = 4096

/** What is left to say at a place: a grammar, and then the rest; of a repetition, how often it was said. */
interface Place {
  readonly id: number
  readonly grammar: Grammar
  readonly count: number
  readonly rest: Place | null
}

export function createAutomaton(grammar: Grammar): Automaton {
  const numbers = new WeakMap<Grammar, number>()
  let places = new Map<string, Place>()
  let states = new Map<string, State>()
  let numbered = 0
  let placed = 0

  const numberOf = (node: Grammar): number => {
    let number = numbers.get(node)
    if (number === undefined) numbers.set(node, (number = numbered++))
    return number
  }
  const place = (node: Grammar, rest: Place | null, count = 0): Place => {
    const key = `${numberOf(node)},${count},${rest?.id ?? -1}`
    let made = places.get(key)
    if (!made) places.set(key, (made = { id: placed++, grammar: node, count, rest }))
    return made
  }
  /** Follows what takes no byte; what is left are bytes, and whether the end was reached. */
  const reach = (from: readonly (Place | null)[]): { readonly bytes: Place[]; readonly canEnd: boolean } => {
    const seen = new Set<Place>()
    const bytes: Place[] = []
    let canEnd = false
    const open = [...from]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at === null) {
        canEnd = true
        continue
      }
      if (seen.has(at)) continue
      seen.add(at)
      const { grammar: node, rest, count } = at
      switch (node.kind) {
        case 'byte':
          bytes.push(at)
          break
        case 'sequence':
          open.push(node.items.reduceRight((behind: Place | null, item) => place(item, behind), rest))
          break
        case 'choice':
          for (const option of node.options) open.push(place(option, rest))
          break
        case 'rule':
          open.push(place(node.body(), rest))
          break
        case 'repeat': {
          if (count >= node.min) open.push(rest)
          // Without a limit only the way to the least number is counted.
          const next = node.max === Infinity ? Math.min(count + 1, node.min) : count + 1
          if (count < node.max) open.push(place(node.item, place(node, rest, next)))
          break
        }
      }
    }
    return { bytes, canEnd }
  }
  const stateOf = (from: readonly (Place | null)[]): State | null => {
    const { bytes, canEnd } = reach(from)
    if (bytes.length === 0 && !canEnd) return null
    const key = `${canEnd} ${bytes
      .map(({ id }) => id)
      .toSorted((a, b) => a - b)
      .join()}`
    const made = states.get(key)
    if (made) return made
    if (states.size >= MOST_STATES) {
      places = new Map()
      states = new Map()
    }
    const sets = bytes.flatMap(({ grammar: node }) => (node.kind === 'byte' ? [node.set] : []))
    const followers: (State | null | undefined)[] = Array.from({ length: 256 })
    /** Bytes that are in the same sets lead to the same state. */
    const known = new Map<string, State | null>()
    const follow = (byte: number): State | null => {
      const [word, bit] = [byte >> 5, 1 << (byte & 31)]
      let reached = ''
      for (let i = 0; i < sets.length; i++) if ((sets[i][word] & bit) !== 0) reached += `${i},`
      if (reached === '') return null
      const found = known.get(reached)
      if (found !== undefined) return found
      const places = bytes.filter((_, i) => (sets[i][word] & bit) !== 0)
      const next = stateOf(places.map(({ rest }) => rest))
      known.set(reached, next)
      return next
    }
    const state: State = {
      canEnd,
      isOver: bytes.length === 0,
      mask: null,
      next(byte) {
        const follower = followers[byte]
        return follower !== undefined ? follower : (followers[byte] = follow(byte))
      },
    }
    states.set(key, state)
    return state
  }
  return {
    start: () => stateOf([place(grammar, null)]) ?? NOTHING,
  }
}

/** Of a grammar without texts. */
const NOTHING: State = { canEnd: false, isOver: true, mask: null, next: () => null }
