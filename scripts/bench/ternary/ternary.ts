/**
 * Ternary vectors and weights: the algebra on bit planes, packing by AbsMean, and products with packed weights, beside what the machine
 * allows, the same in JavaScript and torchhd, our own products in f32 and bf16, and llama.cpp's tokens, in turn.
 */
import { openCpu } from '../../../plugins/cpu/device.ts'
import { ternaryDecode } from './_ternary-decode.ts'
import { ternaryPeers } from './_ternary-peers.ts'
import { ternaryVectors } from './_ternary-vectors.ts'
import { ternaryWeights } from './_ternary-weights.ts'
import type { Topic } from '../_topic.ts'

export const ternary: Topic = {
  name: 'ternary',
  async run(context) {
    const device = openCpu({ threads: context.threads })
    const setting = { device, context }
    return [
      ...(await ternaryVectors(setting)),
      ...(await ternaryPeers(setting)),
      ...(await ternaryWeights(setting)),
      ...(await ternaryDecode(context)),
    ]
  },
}
