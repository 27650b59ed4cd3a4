/**
 * What a stranger runs beside the three files: the contract suites that tritune exports. Prints the report; fails when a promise is
 * broken.
 */
import { adapterContract, optimizerContract, quantizerContract, runContract } from 'tritune/testing'
import { largestGradient } from './largest-gradient.ts'
import { scaledRankOne } from './scaled-rank-one.ts'
import { sixBits } from './six-bits.ts'

const { text, failed } = await runContract([
  ...adapterContract(scaledRankOne, { wrongOptions: [{ size: 0 }, { sise: 1 }] }),
  ...quantizerContract(sixBits, { error: 0.05, wrongOptions: [{ group: 0 }] }),
  ...optimizerContract(largestGradient, { wrongOptions: [{ beta2: 1 }] }),
])
console.log(text)
process.exitCode = failed.length > 0 ? 1 : 0
