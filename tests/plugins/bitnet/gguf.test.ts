/**
 * A BitNet as GGUF: the trits are in the file as they are, and llama.cpp (tests/oracle/bitnet_gguf.ts) gives its logits.
 */
import { expect, test } from 'bun:test'
import { dequantizeWeight, isQuantized } from '../../../core/mod.ts'
import { f16ToNumber, numberToF16 } from '../../../core/tensor/dtype.ts'
import { ggufToHf, openGguf } from '../../../plugins/gguf/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { goldenJson, relativeRms, temporaryFolder } from '../../_golden.ts'
import { logitsOf, TYPES, writeBitnetGguf } from '../../oracle/_bitnet_gguf.ts'
import { cpu } from '../finetune/_run.ts'

test('TQ1_0 and TQ2_0 hold the trits of the checkpoint, with its scale in f16; llama.cpp computes the same', async () => {
  using temporary = temporaryFolder()
  const { packed, files } = await writeBitnetGguf(temporary.path)
  const expected = logitsOf(packed, cpu)
  const golden = goldenJson<Record<string, number[]>>('bitnet', 'llama-cpp.json')
  for (const [i, type] of TYPES.entries()) {
    const file = openGguf(files[i])
    expect(file.tensors.get('blk.0.ffn_up.weight')?.type.name).toBe(type.toUpperCase())
    const hf = ggufToHf(file)
    using model = loadModel(packed, { device: cpu })
    for (const { path, weight } of model.layers.values()) {
      if (!isQuantized(weight)) continue
      const scale = weight.parts.scale.item()
      const stored = f16ToNumber(numberToF16(scale))
      using dense = dequantizeWeight(weight)
      const values = dense.toArray()
      const read = hf.tensors.get(`${path}.weight`)?.read() ?? new Float32Array()
      const bad = values.findIndex(
        (value, at) => Math.abs(read[at] - Math.round(value / scale) * stored) > 1e-9,
      )
      expect([path, read.length, bad]).toEqual([path, values.length, -1])
    }
    // llama.cpp rounds activations in blocks of 256, we do by rows.
    const own = logitsOf(files[i], cpu)
    expect(relativeRms(golden[type], own)).toBeLessThan(0.05)
    // Head and embedding are in Q6_K and Q4_K: that is the error of the type.
    expect(relativeRms(golden[type], expected)).toBeLessThan(1.2 * relativeRms(own, expected))
  }
})
