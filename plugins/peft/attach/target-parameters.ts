/**
 * PEFT's `target_parameters`: weights that get a LoRA by the name of the parameter (`mlp.down_proj.weight`), not by that of the module.
 *
 * PEFT adds s·B·A to the weight itself, so there is no x whose inputs could be dropped, no bias, and no DoRA. The names in the file are those of
 * the module. It finds them by their endings; `exclude_modules` and `layers_to_transform` say nothing about them, and the keys of rank and
 * alpha patterns are looked for at the end of the whole name. Here they are the matrices of linear layers and of the head; weights of all experts
 * of a block are experts/'.
 */
import { type Layer, type Model, nearestNames, TrituneError } from '../../../core/mod.ts'
import { matchExperts } from '../experts/with-experts.ts'
import type { LoraOptions } from '../lora/lora-options.ts'

/** The name of the weight of a layer, as PEFT looks for it. */
export function weightName(path: string): string {
  return `${path}.weight`
}

/** Whether a list of names has the weight of this layer. */
export function isTargetParameter(names: readonly string[], path: string): boolean {
  const own = weightName(path)
  return names.some((name) => own === name || own.endsWith(`.${name}`))
}

/**
 * Paths of the layers whose weights have these names, in the order of the model. E_ADAPTER for a name that no parameter has, and for what is no
 * matrix; E_UNSUPPORTED for a matrix that goes by its module alone.
 */
export function matchParameters(
  model: Pick<Model, 'layers' | 'expertParameters'>,
  names: readonly string[],
): string[] {
  const { layers } = model
  const all = [...layers.values()].flatMap((layer) => [
    { name: weightName(layer.path), layer, isBias: false },
    ...(layer.bias ? [{ name: `${layer.path}.bias`, layer, isBias: true }] : []),
  ])
  const found = new Set<string>()
  for (const wanted of names) {
    const hits = all.filter(({ name }) => name === wanted || name.endsWith(`.${wanted}`))
    if (hits.length === 0 && matchExperts(model, [wanted]).length === 0) throw noParameter(wanted, model)
    for (const { name, layer, isBias } of hits) {
      expectMatrix(name, layer, isBias)
      found.add(layer.path)
    }
  }
  return [...layers.keys()].filter((path) => found.has(path))
}

/** E_ADAPTER for options that PEFT has not on parameters. */
export function expectPlain({
  dropout,
  dora,
  loraBias,
}: Pick<LoraOptions, 'dropout' | 'dora' | 'loraBias'>): void {
  const given = [
    ['lora_dropout', dropout > 0],
    ['use_dora', dora === true],
    ['lora_bias', loraBias === true],
  ] as const
  for (const [name, isGiven] of given)
    if (isGiven)
      throw new TrituneError(
        'E_ADAPTER',
        `target_parameters: there is no ${name} on parameters (as in PEFT)`,
        {
          remedy: `leave ${name} out, or name the modules in target_modules`,
        },
      )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function expectMatrix(name: string, { path, kind, transposed }: Layer, isBias: boolean): void {
  if (isBias || kind === 'norm')
    throw new TrituneError('E_ADAPTER', `target_parameters: ${name} is no matrix`, {
      remedy: 'name weights of linear layers; norms are trained whole: modules_to_save',
    })
  if (kind === 'embedding' || transposed)
    throw new TrituneError(
      'E_UNSUPPORTED',
      `target_parameters: ${name} ${transposed ? 'is stored the other way round' : 'is a table of tokens'}`,
      { remedy: `name the module in target_modules: ${path.slice(path.lastIndexOf('.') + 1)}` },
    )
}

function noParameter(
  wanted: string,
  { layers, expertParameters }: Pick<Model, 'layers' | 'expertParameters'>,
): TrituneError {
  const endings = [...layers.values()]
    .filter(({ kind }) => kind === 'linear' || kind === 'head')
    .map(({ path }) => weightName(path.split('.').slice(-2).join('.')))
  const experts = [...(expertParameters?.keys() ?? [])].map((name) => name.split('.').slice(-3).join('.'))
  const known = [...new Set([...experts, ...endings])]
  const near = nearestNames(wanted, known)
  const shown = near.length > 0 ? near : known
  return new TrituneError('E_ADAPTER', `target_parameters: "${wanted}" is the name of no parameter`, {
    remedy: `${near.length > 0 ? 'did you mean' : 'the model has, among others,'} ${shown.slice(0, 6).join(', ')}`,
  })
}
