/**
 * Grammars over bytes: what texts there are, as values that are put together. How they are followed is automaton.ts'.
 */

/** A set of texts, in bytes. */
export type Grammar =
  /** One byte of a set; bit b % 32 of word b / 32. */
  | { readonly kind: 'byte'; readonly set: Uint32Array }
  | { readonly kind: 'sequence'; readonly items: readonly Grammar[] }
  | { readonly kind: 'choice'; readonly options: readonly Grammar[] }
  | { readonly kind: 'repeat'; readonly item: Grammar; readonly min: number; readonly max: number }
  /** What may contain itself. */
  | { readonly kind: 'rule'; body(): Grammar }

/** One byte of some ranges, ends included. */
export function byteIn(...ranges: readonly (readonly [number, number])[]): Grammar {
  const set = new Uint32Array(8)
  for (const [from, to] of ranges) for (let b = from; b <= to; b++) set[b >> 5] |= 1 << (b & 31)
  return { kind: 'byte', set }
}

/** A text as it is. */
export function literal(text: string): Grammar {
  return sequence(...Array.from(new TextEncoder().encode(text), (byte) => byteIn([byte, byte])))
}

/** One character of a text. */
export function oneOf(characters: string): Grammar {
  return byteIn(...Array.from(new TextEncoder().encode(characters), (b) => [b, b] as const))
}

export function sequence(...items: readonly Grammar[]): Grammar {
  return items.length === 1 ? items[0] : { kind: 'sequence', items }
}

export function choice(...options: readonly Grammar[]): Grammar {
  return options.length === 1 ? options[0] : { kind: 'choice', options }
}

export function repeat(item: Grammar, min: number, max: number = Infinity): Grammar {
  return { kind: 'repeat', item, min, max }
}

export function optional(item: Grammar): Grammar {
  return repeat(item, 0, 1)
}

/** `body` is asked once, when the rule is first followed. */
export function rule(body: () => Grammar): Grammar {
  let made: Grammar | null = null
  return { kind: 'rule', body: () => (made ??= body()) }
}

/** Whether the grammar has any finite text. */
export function hasText(grammar: Grammar): boolean {
  const good = new Set<Grammar>()
  const visit = (node: Grammar, seen: Set<Grammar>): boolean => {
    if (good.has(node)) return true
    if (seen.has(node)) return false
    seen.add(node)
    const isGood = ((): boolean => {
      switch (node.kind) {
        case 'byte':
          return node.set.some((word) => word !== 0)
        case 'sequence':
          return node.items.every((item) => visit(item, seen))
        case 'choice':
          return node.options.some((option) => visit(option, seen))
        case 'repeat':
          return node.min === 0 || visit(node.item, seen)
        case 'rule':
          return visit(node.body(), seen)
      }
    })()
    // What was refused because it was being looked at may be good elsewhere.
    seen.delete(node)
    if (isGood) good.add(node)
    return isGood
  }
  return visit(grammar, new Set())
}
