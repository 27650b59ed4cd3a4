/**
 * Whether all processes are about to train the same: version, library, settings, data, base model. A job with an odd one among its machines is
 * refused before its first step.
 */
import { showValue, TrituneError, type World } from '../../../core/mod.ts'
import { packageVersion } from '../../../core/invocation.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { settingsOf } from '../checkpoints/run-settings.ts'
import { baseFiles } from '../model/base-model.ts'
import type { Run } from '../run.ts'
import { agree } from '../../../core/agree.ts'

/** E_PEER naming the first process that differs from the first one, and in what. */
export function expectSameRun(world: World, run: Run): void {
  agree(world, () => {
    const told = world.gather(JSON.stringify(factsOf(run)))
    const facts = told.map((text): Facts => JSON.parse(text))
    for (const [rank, of] of facts.entries()) {
      const names = [...new Set([...Object.keys(facts[0]), ...Object.keys(of)])]
      const other = names.find((name) => JSON.stringify(of[name]) !== JSON.stringify(facts[0][name]))
      if (other === undefined) continue
      throw new TrituneError(
        'E_PEER',
        `process ${rank} of ${world.size} has another ${other}: ${showValue(of[other])} where process 0 has ${showValue(facts[0][other])}`,
        { remedy: 'give all processes the same tritune, file, data and base model' },
      )
    }
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Facts = Readonly<Record<string, unknown>>

function factsOf(run: Run): Facts {
  const { config, data, parameters, modelPath, dtype, device } = run
  return {
    'version of tritune': packageVersion(),
    'native library': device.name === 'cpu' ? openLibrary('cpu').info['sources'] : device.kind,
    'dtype of computation': dtype,
    ...settingsOf(config, data),
    max_grad_norm: config.max_grad_norm,
    zero_stage: config.zero_stage,
    shard_base: config.shard_base,
    'way of sharing gradients': run.divided?.sumSquares ? 'in parts' : 'whole',
    'diloco.exchange': config.diloco?.exchange ?? null,
    'set of trained weights': [...parameters]
      .map(([name, { shape }]) => `${name} ${shape.join('×')}`)
      .join(' '),
    ...Object.fromEntries(
      Object.entries(baseFiles(modelPath)).map(([name, hash]) => [`base model (${name})`, hash]),
    ),
  }
}
