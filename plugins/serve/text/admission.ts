/**
 * How many texts may be at work at once: those in the engine, those that wait for a row, and those that are made and not yet taken by
 * their client. So memory is bounded whatever clients do.
 */

/** A door with so many places behind it. */
export interface Admission {
  /** How many texts there is room for. */
  readonly places: number
  /** Texts inside. */
  readonly inside: number
  /** Lets in so many texts, until the place is disposed; null: there is no room. */
  enter(texts: number): Disposable | null
  /** Whole seconds after which it makes sense to ask again: about as long as a text takes now; from 1 to 60. */
  retryAfter(): number
}

/** `rows` is how many of the places are worked on at once. */
export function createAdmission({
  places,
  rows,
}: {
  readonly places: number
  readonly rows: number
}): Admission {
  let inside = 0
  let seconds = 1
  return {
    places,
    get inside() {
      return inside
    },
    enter(texts) {
      if (inside + texts > places) return null
      inside += texts
      const began = performance.now()
      let isIn = true
      return {
        [Symbol.dispose]() {
          if (!isIn) return
          isIn = false
          inside -= texts
          seconds += (Math.max(0, (performance.now() - began) / 1000) - seconds) / 8
        },
      }
    },
    retryAfter: () => Math.min(60, Math.max(1, Math.ceil(seconds * Math.max(1, (inside - rows) / rows)))),
  }
}
