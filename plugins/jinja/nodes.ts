/** What a template is parsed into. */
import type { BinaryOperator, Comparison } from './operators.ts'
import type { Value } from './values.ts'

export interface Arguments {
  readonly list: readonly Expression[]
  readonly named: readonly { readonly name: string; readonly value: Expression }[]
  /** `*list` and `**dict` */
  readonly more: Expression | undefined
  readonly moreNamed: Expression | undefined
}

export type Expression =
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'slice'; readonly of: Expression; readonly bounds: readonly (Expression | undefined)[] }
  | { readonly kind: 'call'; readonly callee: Expression; readonly args: Arguments; readonly line: number }
  | {
      readonly kind: 'filter'
      readonly of: Expression
      readonly name: string
      readonly args: Arguments
      readonly line: number
    }
  | {
      readonly kind: 'test'
      readonly of: Expression
      readonly name: string
      readonly args: Arguments
      readonly line: number
    }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'unary'; readonly operator: '-' | '+'; readonly of: Expression }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'compare'
      readonly first: Expression
      readonly rest: readonly { readonly operator: Comparison; readonly value: Expression }[]
    }
  | {
      readonly kind: 'if'
      readonly test: Expression
      readonly value: Expression
      readonly otherwise: Expression | undefined
      readonly line: number
    }
  /** The text that a block captured, which its filters start from. */
  | { readonly kind: 'captured' }

export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'namespace'; readonly name: string; readonly attribute: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] }

export interface Parameter {
  readonly name: string
  readonly fallback: Expression | undefined
}

export interface Branch {
  readonly test: Expression
  readonly body: readonly Statement[]
}

export type Statement = { readonly line: number } & (
  | { readonly kind: 'data'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | { readonly kind: 'if'; readonly branches: readonly Branch[]; readonly otherwise: readonly Statement[] }
  | {
      readonly kind: 'for'
      readonly target: Target
      readonly values: Expression
      readonly test: Expression | undefined
      readonly isRecursive: boolean
      readonly body: readonly Statement[]
      readonly otherwise: readonly Statement[]
    }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'capture'
      readonly target: Target
      readonly filter: Expression
      readonly body: readonly Statement[]
    }
  | { readonly kind: 'filter'; readonly filter: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: 'macro'
      readonly name: string
      readonly parameters: readonly Parameter[]
      readonly body: readonly Statement[]
    }
  | {
      readonly kind: 'call'
      readonly parameters: readonly Parameter[]
      readonly call: Expression & { kind: 'call' }
      readonly body: readonly Statement[]
    }
  | {
      readonly kind: 'with'
      readonly bindings: readonly { readonly target: Target; readonly value: Expression }[]
      readonly body: readonly Statement[]
    }
  | { readonly kind: 'generation' | 'scope'; readonly body: readonly Statement[] }
  | { readonly kind: 'break' | 'continue' }
)
