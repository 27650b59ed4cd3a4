/**
 * Looks for stop texts in a text that grows. What could be the beginning of one is held back until more of the text is there.
 */

/** Takes a text piece by piece and gives what of it stands before every stop text. */
export interface StopWatch {
  /** The stop text that came first; null: none yet. After it nothing is given. */
  readonly found: string | null
  /** What came behind it. */
  readonly after: string
  /** What no later piece can take back; never half of a UTF-16 pair. */
  push(text: string): string
  /** What was held back, when nothing more comes. */
  end(): string
}

/**
 * Empty stop texts are no stop texts.
 *
 * @example
 * ```ts
 * import { watchForStops } from 'tritune/plugins/generate'
 *
 * const watch = watchForStops(['</s>'])
 * console.log(watch.push('Hi <') + watch.push('b> </') + watch.push('s> and on'), watch.found) // → Hi <b>  </s>
 * ```
 */
export function watchForStops(stops: readonly string[]): StopWatch {
  const wanted = stops.filter((stop) => stop !== '')
  let pending = ''
  let found: string | null = null
  let after = ''
  /** Gives the first `length` of what is there, and keeps the rest. */
  const give = (length: number): string => {
    const given = pending.slice(0, length)
    pending = pending.slice(length)
    return given
  }
  return {
    get found() {
      return found
    },
    get after() {
      return after
    },
    push(text) {
      if (found !== null) {
        after += text
        return ''
      }
      pending += text
      const first = firstOf(pending, wanted)
      if (first === null) return give(wholeCharacters(pending, beginningOf(pending, wanted)))
      found = first.stop
      const before = give(first.at)
      after = give(pending.length).slice(found.length)
      return before
    },
    end: () => (found === null ? give(pending.length) : ''),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `length`, or one less where that would cut a UTF-16 pair. */
function wholeCharacters(text: string, length: number): number {
  const last = length > 0 ? text.charCodeAt(length - 1) : 0
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length
}

/** Where the end of a text begins that a stop text could begin with; its length when there is none. */
function beginningOf(text: string, stops: readonly string[]): number {
  const longest = stops.reduce((most, { length }) => Math.max(most, length - 1), 0)
  for (let at = Math.max(0, text.length - longest); at < text.length; at++) {
    const end = text.slice(at)
    if (stops.some((stop) => stop.startsWith(end))) return at
  }
  return text.length
}

/** The stop text that stands first; of several there the longest. */
function firstOf(
  text: string,
  stops: readonly string[],
): { readonly at: number; readonly stop: string } | null {
  const found = stops
    .map((stop) => ({ at: text.indexOf(stop), stop }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at || b.stop.length - a.stop.length)
  return found[0] ?? null
}
