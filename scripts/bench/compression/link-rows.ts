/**
 * What the measured bytes and times come to over links: milliseconds of a step of one worker, by the constants that `bench links` measures. A way that sends less is beside a ring of bf16 that does not overlap
 * with computing; `bench links` has steps of two real processes.
 */
import { type Link, LINKS, sumSeconds } from '../../../plugins/distributed/mod.ts'
import { mean } from '../_measure.ts'
import type { Row } from '../_topic.ts'
import type { Measured } from './rows.ts'

export function linkRows(all: readonly Measured[]): Row[] {
  return all.flatMap((one) => Object.entries(LINKS).map(([rate, link]) => linkRow(one, rate, link)))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** ratio: over the ring of bf16. */
function linkRow(
  { name, workers, steps, method, own: { outcomes } }: Measured,
  rate: string,
  link: Link,
): Row {
  const [{ receivedBytes, denseBytes }] = outcomes
  const computing = mean(outcomes.map(({ stepSeconds }) => stepSeconds))
  const coding = mean(outcomes.map(({ codecSeconds }) => codecSeconds)) / steps
  const messages = Math.ceil(Math.log2(workers)) / method.every
  const travels = receivedBytes / steps / link.bytesPerSecond + messages * link.latencySeconds
  const own = computing + coding + travels
  const ring = (bytes: number): number => computing + sumSeconds(workers, bytes, link)
  const [f32, bf16] = [ring(denseBytes / steps), ring(denseBytes / steps / 2)]
  return {
    name: `${name}: a step over ${rate}`,
    ours: 1000 * own,
    peer: 1000 * bf16,
    unit: 'ms',
    ratio: own / bf16,
    floor: null,
    goal: null,
    better: 'lower',
    note: `computes ${(1000 * computing).toFixed(1)}, codes ${(1000 * coding).toFixed(1)}, waits for the link ${(1000 * travels).toFixed(2)}; a ring of f32 ${(1000 * f32).toFixed(1)}`,
  }
}
