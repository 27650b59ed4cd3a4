/**
 * What full training on several machines sends every step, by the cost model of plugins/distributed: told before the first step, since a slow link makes it
 * pointless.
 */
import type { World } from '../../../core/mod.ts'
import { LINKS, sumSeconds } from '../../distributed/mod.ts'
import { formatBytes, formatDuration } from '../reports/format.ts'

/** None where all processes are on this machine; `bytes`: of all gradients. */
export function linkNotes(world: Pick<World, 'size' | 'localSize'> | null, bytes: number): readonly string[] {
  if (world === null || world.size === world.localSize) return []
  const seconds = (link: '1 Gb/s' | '10 Gb/s'): string =>
    `${formatDuration(sumSeconds(world.size, bytes, LINKS[link]))} at ${link}`
  return [
    `all weights are trained on several machines: each step shares ${formatBytes(bytes)} of gradients, by the cost model in ${seconds('1 Gb/s')} and ${seconds('10 Gb/s')}; where that is much beside a step, take more gradient_accumulation_steps, an adapter, or diloco`,
  ]
}
