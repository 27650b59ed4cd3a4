/**
 * How the q and k of each layer are turned: by which angles, or not at all, and which channels go together.
 */
import {
  concat,
  type Device,
  permute,
  reshape,
  rope,
  type RopeTables as Turn,
  slice,
  type Tensor,
  type TokenBatch,
} from '../../../core/mod.ts'
import { Disposables } from '../../../core/disposables.ts'
import { createRopeTables, type RopeConfig, type RopeTables } from '../rope/mod.ts'
import type { Pass } from './pass.ts'

export interface RotaryTraits {
  /** Of a layer; null: its q and k are not turned. Layers with one and the same object share its tables. Default: what config.json says. */
  rope?(layer: number): RopeConfig | null
  /** Neighbours turn together; default: a channel turns with the one that is half of the turned ones further. */
  readonly interleaved?: boolean
}

export interface Rotary extends Disposable {
  /** For a pass over this batch; owned by the current scope. */
  open(batch: TokenBatch): Pass['turn']
}

export function createRotary(
  { rope: ropeOf, interleaved = false }: Required<Pick<RotaryTraits, 'rope'>> & RotaryTraits,
  layers: number,
  device: Device,
): Rotary {
  const configs = Array.from({ length: layers }, (_, layer) => ropeOf(layer))
  const owned = new Disposables()
  const tables = new Map<RopeConfig, RopeTables>()
  for (const config of new Set(configs))
    if (config !== null) tables.set(config, owned.use(createRopeTables(config, device)))
  const turnBy = interleaved ? ropeNeighbours : rope
  return {
    open(batch) {
      const turns = new Map([...tables].map(([config, table]) => [config, table.of(batch)] as const))
      return (layer, x) => {
        const config = configs[layer]
        const turn = config === null ? undefined : turns.get(config)
        return turn ? turnBy(x, turn) : x
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The op turns halves, so neighbours are laid apart before it and back after it. */
function ropeNeighbours(x: Tensor, turn: Turn): Tensor {
  const [tokens, heads, size] = x.shape
  const turned = 2 * turn.cos.shape[1]
  const first = turned === size ? x : slice(x, { axis: 2, start: 0, end: turned })
  const apart = permute(reshape(first, [tokens, heads, turned / 2, 2]), [0, 1, 3, 2])
  const after = rope(reshape(apart, [tokens, heads, turned]), turn)
  const back = permute(reshape(after, [tokens, heads, 2, turned / 2]), [0, 1, 3, 2])
  const together = reshape(back, [tokens, heads, turned])
  return turned === size ? together : concat([together, slice(x, { axis: 2, start: turned })], { axis: 2 })
}
