/**
 * The plugins that every run has, before those of its file.
 */
import type { Plugin } from '../../../core/mod.ts'
import { bitnet } from '../../bitnet/mod.ts'
import { cpu } from '../../cpu/mod.ts'
import { cuda } from '../../cuda/mod.ts'
import { hybrid } from '../../hybrid/mod.ts'
import { models } from '../../models/mod.ts'
import { optimizers } from '../../optim/mod.ts'
import { peft } from '../../peft/mod.ts'
import { preference } from '../../preference/mod.ts'
import { qlora } from '../../qlora/mod.ts'
import { ternaryAlgebra } from '../../ternary/mod.ts'
import { trackers } from '../../trackers/mod.ts'
import { wasm } from '../../wasm/mod.ts'
import { training } from '../training/built-in.ts'

/** The plugins that every run has, and that `plugins` lists: devices, models, adapters, quantizers, optimizers. */
export const builtInPlugins: readonly Plugin[] = [
  cpu,
  cuda,
  wasm,
  models,
  optimizers,
  peft,
  qlora,
  bitnet,
  ternaryAlgebra,
  preference,
  training,
  hybrid,
  trackers,
]
