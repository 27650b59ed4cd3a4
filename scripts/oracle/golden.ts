/**
 * tritune beside the files that transformers, torch and PEFT left in tests/golden: models, adapters, thirty steps.
 */
import type { Device } from '../../core/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadAdapter } from '../../plugins/peft/mod.ts'
import {
  ADAPTER_CASES,
  logitsOf,
  measureModel,
  measureTraining,
  MODEL_CASES,
  openGoldenAdapter,
  relativeError,
} from '../../tests/_golden.ts'
import { atMost, mustBe, type Row } from './_row.ts'

export function* goldenRows(device: Device): Generator<Row> {
  for (const name of MODEL_CASES) {
    const errors = measureModel(name, device)
    yield atMost(`${name}: logits`, errors.logits, 1e-5)
    yield atMost(`${name}: loss`, errors.loss, 1e-5)
    yield atMost(`${name}: gradients of all weights`, errors.gradient, 1e-4, `worst: ${errors.worst}`)
    yield mustBe(
      `${name}: gradients with checkpointing`,
      errors.checkpointingEqual ? 'same bits' : 'differ',
      'same bits',
      errors.checkpointingEqual,
    )
  }
  for (const name of ADAPTER_CASES) {
    const golden = openGoldenAdapter(name)
    using model = loadModel(golden.base, { device })
    using adapter = loadAdapter(model, golden.folder)
    const logits = logitsOf(model, golden.sequences)
    yield atMost(`PEFT's adapter ${name}: logits`, relativeError(logits, golden.logits), 1e-5)
    const [ours, theirs] = [[...adapter.adapters.keys()], golden.info.matched].map((all) => all.join())
    yield mustBe(
      `PEFT's adapter ${name}: modules`,
      String(adapter.adapters.size),
      `the ${golden.info.matched.length} of PEFT`,
      ours === theirs,
    )
  }
  for (const layout of ['packed', 'separate', 'one'] as const) {
    const errors = measureTraining(device, { layout })
    yield atMost(`30 LoRA steps, documents ${layout}: losses`, errors.loss, 1e-4)
    yield atMost(`30 LoRA steps, documents ${layout}: gradient norms`, errors.gradNorm, 1e-4)
    yield atMost(`30 LoRA steps, documents ${layout}: weights`, errors.weights, 1e-3)
  }
}
