/**
 * The built-in parts of a run and those of docs/examples/parts keep their contracts.
 */
import { describe, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plugin as meanLoss } from '../../docs/examples/parts/mean-loss.ts'
import { plugin as momentumSgd } from '../../docs/examples/parts/momentum-sgd.ts'
import { plugin as questionAnswer } from '../../docs/examples/parts/question-answer.ts'
import { plugin as shortFirst } from '../../docs/examples/parts/short-first.ts'
import { plugin as skipEasy } from '../../docs/examples/parts/skip-easy.ts'
import { plugin as smallActivations } from '../../docs/examples/parts/small-activations.ts'
import { createHost } from '../../core/mod.ts'
import { training } from '../../plugins/finetune/mod.ts'
import {
  type ContractCheck,
  datasetContract,
  monitorContract,
  objectiveContract,
  optimizerContract,
  quantizerContract,
  samplerContract,
  strategyContract,
  transformContract,
} from '../../testing/mod.ts'

using host = createHost({
  plugins: [training, meanLoss, momentumSgd, questionAnswer, shortFirst, skipEasy, smallActivations],
})

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  nf4: quantizerContract(host.find('quantizer', 'nf4'), { wrongOptions: [{ block: 3 }] }),
  'nf4 without double quantization': quantizerContract(host.find('quantizer', 'nf4'), {
    options: { double_quant: false },
  }),
  fp4: quantizerContract(host.find('quantizer', 'fp4')),
  int8: quantizerContract(host.find('quantizer', 'int8'), { error: 0.02 }),
  ternary: quantizerContract(host.find('quantizer', 'ternary'), { error: 0.6 }),
  adamw: optimizerContract(host.find('optimizer', 'adamw'), { wrongOptions: [{ beta1: 1 }] }),
  adamw_8bit: optimizerContract(host.find('optimizer', 'adamw_8bit')),
  'momentum-sgd': optimizerContract(host.find('optimizer', 'momentum-sgd'), {
    wrongOptions: [{ momentum: 1 }],
  }),
  clip: transformContract(host.find('transform', 'clip'), { wrongOptions: [{ max_norm: -1 }] }),
  cross_entropy: objectiveContract(host.find('objective', 'cross_entropy')),
  'small-activations': objectiveContract(host.find('objective', 'small-activations')),
  'mean-loss': monitorContract(host.find('monitor', 'mean-loss'), {
    result: (folder) => readFileSync(join(folder, 'mean-loss.txt'), 'utf8'),
  }),
  'short-first': samplerContract(host.find('sampler', 'short-first')),
  'skip-easy': strategyContract(host.find('strategy', 'skip-easy'), { options: { below: 0.99 } }),
  'question-answer': datasetContract(host.find('dataset', 'question-answer'), {
    options: { prompt: 'Q {q} A ' },
    rows: [{ row: { q: 'one?', a: 'two' }, text: '<s>Q one? A two</s>', trained: ['two</s>'] }],
    wrongRows: [{ row: { q: 'one?' }, says: '"a"' }, { row: { q: 1, a: 'x' } }],
  }),
}

describe.each(Object.entries(SUITES))('%s', (_name, checks) => {
  for (const { name, run } of checks) test(name, run)
})
