/** Counts in sentences. */

/** `1 step`, `2 steps`; the noun is one that takes an s. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
