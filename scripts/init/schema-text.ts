/** The JSON Schema of a run's file as it is printed, published and pointed at: the same bytes everywhere. */
import { schemaOfFinetune } from '../../plugins/finetune/mod.ts'

export function schemaText(): string {
  return `${JSON.stringify(schemaOfFinetune(), null, 2)}\n`
}
