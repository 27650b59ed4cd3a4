/**
 * A long text in windows that the model can hold, each token predicted once: `loglikelihood_rolling` of lm-evaluation-harness.
 *
 * The first window follows a prefix token; the others keep as many tokens before what they predict as there is room for.
 */
import type { EncodedPair } from './encode-pair.ts'

/** The windows of `ids`; none for a text without tokens. */
export function rollingWindows(ids: readonly number[], prefix: number, maxLength: number): EncodedPair[] {
  if (ids.length === 0) return []
  const first = Math.min(maxLength, ids.length)
  const windows: EncodedPair[] = [{ context: [prefix], continuation: ids.slice(0, first) }]
  for (let done = first; done < ids.length;) {
    const end = Math.min(ids.length, done + maxLength)
    windows.push({ context: ids.slice(end - maxLength - 1, done), continuation: ids.slice(done, end) })
    done = end
  }
  return windows
}
