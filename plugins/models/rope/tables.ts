/**
 * The cos and sin tables that the rope op reads, and which rows of them the tokens of a batch stand for.
 */
import { type Device, tensor, type Tensor, type TokenBatch } from '../../../core/mod.ts'
import { ropeFrequencies, ropeRegime } from './frequencies.ts'
import type { RopeConfig } from './scaling.ts'

/** cos and sin, (P, dim/2) f32 each. */
export interface RopeAngles {
  readonly cos: Tensor
  readonly sin: Tensor
}

/** The cos and sin tables of a model; they grow as longer documents come. */
export interface RopeTables extends Disposable {
  /** P ≥ `positions`, for a text of `length` tokens; default: as many as there are positions. */
  at(positions: number, length?: number): RopeAngles
  /**
   * What turns the tokens of a batch, each document by its own length. Owned by the current scope, so that it outlives the growth of the
   * tables.
   */
  of(batch: TokenBatch): RopeAngles & { readonly positions: Tensor }
}

/**
 * Tables of cos and sin, (positions, dim/2) f32, that are made when they are first asked for and grow with what is
 * asked for. Disposing it frees them.
 */
export function createRopeTables(config: RopeConfig, device: Device): RopeTables {
  let held: (RopeAngles & { readonly regime: number }) | null = null
  const free = (): void => {
    held?.cos.dispose()
    held?.sin.dispose()
    held = null
  }
  const tables: RopeTables = {
    at(positions, length = positions) {
      const regime = ropeRegime(config, length)
      if (held?.regime === regime && held.cos.shape[0] >= positions) return held
      const rows = Math.max(256, 2 ** Math.ceil(Math.log2(positions)))
      free()
      const { cos, sin } = angles([{ rows, length }], config, device)
      cos.adopt(null)
      sin.adopt(null)
      return (held = { cos, sin, regime })
    },
    of(batch) {
      const sections = sectionsOf(batch, config)
      if (sections.length <= 1) {
        const { cos, sin } = tables.at(batch.positionCount)
        return { cos: cos.view(), sin: sin.view(), positions: batch.positions }
      }
      return { ...angles(sections, config, device), positions: shifted(batch, sections, config) }
    },
    [Symbol.dispose]: free,
  }
  return tables
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Rows of a table for documents that turn alike. */
interface Section {
  readonly rows: number
  /** Of one of them. */
  readonly length: number
}

/** Where each document of a batch ends in its text: what a cache holds counts. */
function* lengthsOf({ host: { positions, offsets } }: TokenBatch): Generator<number> {
  for (let d = 0; d + 1 < offsets.length; d++)
    yield offsets[d + 1] > offsets[d] ? positions[offsets[d + 1] - 1] + 1 : 0
}

/** By regime, in the order of the documents. */
function sectionsOf(batch: TokenBatch, config: RopeConfig): Section[] {
  const sections = new Map<number, Section>()
  for (const length of lengthsOf(batch)) {
    const regime = ropeRegime(config, length)
    const rows = Math.max(length, sections.get(regime)?.rows ?? 0)
    sections.set(regime, { rows, length })
  }
  return [...sections.values()]
}

/** The positions of a batch as rows of a table that has one section after the other. */
function shifted(batch: TokenBatch, sections: readonly Section[], config: RopeConfig): Tensor {
  const starts = new Map<number, number>()
  let rows = 0
  for (const section of sections) {
    starts.set(ropeRegime(config, section.length), rows)
    rows += section.rows
  }
  const { positions, offsets } = batch.host
  const places = new Int32Array(positions.length)
  for (const [d, length] of [...lengthsOf(batch)].entries()) {
    const start = starts.get(ropeRegime(config, length)) ?? 0
    for (let i = offsets[d]; i < offsets[d + 1]; i++) places[i] = start + positions[i]
  }
  return tensor(places, { dtype: 'i32', device: batch.ids.device })
}

function angles(sections: readonly Section[], config: RopeConfig, device: Device): RopeAngles {
  const half = config.dim / 2
  const rows = sections.reduce((sum, section) => sum + section.rows, 0)
  const [cos, sin] = [new Float32Array(rows * half), new Float32Array(rows * half)]
  let at = 0
  for (const section of sections) {
    const { frequencies, attentionFactor } = ropeFrequencies(config, section.length)
    // transformers computes the angles in f32; so do we, or long positions would differ in the last bits.
    const rounded = Float32Array.from(frequencies)
    for (let p = 0; p < section.rows; p++)
      for (let i = 0; i < half; i++, at++) {
        const angle = Math.fround(p * rounded[i])
        cos[at] = Math.cos(angle) * attentionFactor
        sin[at] = Math.sin(angle) * attentionFactor
      }
  }
  const options = { shape: [rows, half], dtype: 'f32', device } as const
  return { cos: tensor(cos, options), sin: tensor(sin, options) }
}
