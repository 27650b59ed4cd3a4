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
import { optimizers } from '../../plugins/optim/mod.ts'
import { hybrid } from '../../plugins/hybrid/mod.ts'
import { bitnet } from '../../plugins/bitnet/mod.ts'
import { qlora } from '../../plugins/qlora/mod.ts'
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
  plugins: [
    training,
    qlora,
    optimizers,
    bitnet,
    hybrid,
    meanLoss,
    momentumSgd,
    questionAnswer,
    shortFirst,
    skipEasy,
    smallActivations,
  ],
})

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  nf4: quantizerContract(host.find('quantizer', 'nf4'), { wrongOptions: [{ block: 3 }] }),
  'nf4 without double quantization': quantizerContract(host.find('quantizer', 'nf4'), {
    options: { double_quant: false },
  }),
  fp4: quantizerContract(host.find('quantizer', 'fp4')),
  int8: quantizerContract(host.find('quantizer', 'int8'), { error: 0.02 }),
  ternary: quantizerContract(host.find('quantizer', 'ternary'), { error: 0.6 }),
  bitnet: quantizerContract(host.find('quantizer', 'bitnet'), {
    error: 0.6,
    wrongOptions: [{ group: 32 }, { span: 'all' }],
  }),
  'bitnet by AbsMax': quantizerContract(host.find('quantizer', 'bitnet'), {
    options: { scale: 'absmax' },
    error: 0.9,
  }),
  adamw: optimizerContract(host.find('optimizer', 'adamw'), { wrongOptions: [{ beta1: 1 }] }),
  adamw_8bit: optimizerContract(host.find('optimizer', 'adamw_8bit')),
  lion: optimizerContract(host.find('optimizer', 'lion'), { wrongOptions: [{ beta2: 1 }] }),
  lion_8bit: optimizerContract(host.find('optimizer', 'lion_8bit')),
  adafactor: optimizerContract(host.find('optimizer', 'adafactor'), {
    wrongOptions: [{ eps: [1] }, { warmup_init: true }, { decay_rate: 0.8 }],
  }),
  'adafactor with everything': optimizerContract(host.find('optimizer', 'adafactor'), {
    options: { beta1: 0.9, scale_parameter: true, relative_step: true },
    learningRate: 1,
  }),
  muon: optimizerContract(host.find('optimizer', 'muon'), {
    wrongOptions: [{ ns_steps: 0 }, { adjust_lr_fn: 'none' }],
  }),
  schedule_free_adamw: optimizerContract(host.find('optimizer', 'schedule_free_adamw'), {
    options: { warmup_steps: 2, r: 1 },
    wrongOptions: [{ beta1: 0 }],
  }),
  sgd: optimizerContract(host.find('optimizer', 'sgd'), { wrongOptions: [{ nesterov: true }] }),
  'sgd with momentum': optimizerContract(host.find('optimizer', 'sgd'), {
    options: { momentum: 0.9, nesterov: true },
    learningRate: 0.01,
  }),
  rmsprop: optimizerContract(host.find('optimizer', 'rmsprop'), { wrongOptions: [{ alpha: 1 }] }),
  'rmsprop with everything': optimizerContract(host.find('optimizer', 'rmsprop'), {
    options: { momentum: 0.5, centered: true },
    learningRate: 0.001,
  }),
  // A Gram matrix of fewer rows than it has columns leaves directions that no gradient has told apart: any basis of them is right.
  soap: optimizerContract(host.find('optimizer', 'soap'), {
    options: { sides: 'smaller', precondition_frequency: 2 },
    wrongOptions: [{ sides: 'left' }, { precondition_frequency: 0 }, { max_precond_dim: 0 }],
  }),
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
  hybrid: strategyContract(host.find('strategy', 'hybrid'), {
    options: { arm: 'reuse', warmup: 2, every: 1, exploration: 1, confidence: 0 },
    wrongOptions: [{ arm: 'magic' }, { every: 0 }, { exploration: 2 }],
  }),
  'hybrid without guesses': strategyContract(host.find('strategy', 'hybrid'), { options: { arm: 'none' } }),
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
