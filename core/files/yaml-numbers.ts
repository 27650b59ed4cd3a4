/**
 * The numbers of YAML 1.1 that YAML 1.2 takes for text: `500_000`, `1_000.5`. Python readers take them for numbers.
 *
 * Other differences are left as YAML 1.2 has them; `010`, which is another number in each, is refused in `yaml-checks.ts`.
 */
import type { ScalarTag } from 'yaml'

/** Before or after the tags of YAML 1.2: nothing matches both. */
export const UNDERSCORED_NUMBERS: readonly ScalarTag[] = [
  {
    default: true,
    tag: 'tag:yaml.org,2002:int',
    test: /^[-+]?[1-9]\d*_[\d_]*$/,
    resolve: numberOf,
  },
  {
    default: true,
    tag: 'tag:yaml.org,2002:float',
    test: /^[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]?\d+)?$/,
    resolve: numberOf,
  },
]

function numberOf(text: string): number {
  return Number(text.replaceAll('_', ''))
}
