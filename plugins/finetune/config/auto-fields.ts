/**
 * Fields that take a number, or `auto`: what the run decides before its first step.
 */
import * as v from 'valibot'
import { decimal, type Field, integer, withJson } from '../../../core/contracts/config-fields.ts'

export type MicroBatch = number | 'auto'

export const microBatch: Field<MicroBatch, MicroBatch> = withJson<MicroBatch, MicroBatch>(
  v.lazy((input) =>
    typeof input === 'string' && /^[a-z]/i.test(input)
      ? v.picklist(['auto'], 'expected an integer ≥ 1, or auto')
      : integer({ min: 1 }),
  ),
  { anyOf: [{ enum: ['auto'] }, { type: 'integer', minimum: 1 }, { type: 'string', pattern: '^\\d+$' }] },
)

export const learningRate: Field<number | 'auto', number | 'auto'> = withJson<
  number | 'auto',
  number | 'auto'
>(
  v.lazy((input) =>
    typeof input === 'string' && /^[a-z]/i.test(input)
      ? v.picklist(['auto'], 'expected a number above 0, or auto')
      : decimal({ above: 0 }),
  ),
  {
    anyOf: [
      { enum: ['auto'] },
      { type: 'number', exclusiveMinimum: 0 },
      { type: 'string', pattern: '^[\\d.]+([eE][-+]?\\d+)?$' },
    ],
  },
)
