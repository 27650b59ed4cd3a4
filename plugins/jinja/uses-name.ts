/** What a part of a template reads and assigns. */

/** Whether statements or expressions read a name anywhere. Assigning to it is not reading it. */

export function usesName(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((item) => usesName(item, name))
  if (typeof node !== 'object' || node === null) return false
  if (Reflect.get(node, 'kind') === 'name' && Reflect.get(node, 'name') === name) return true
  return Object.entries(node).some(([key, value]) => key !== 'target' && usesName(value, name))
}

/** Whether a name is assigned to anywhere. */
export function assignsName(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((item) => assignsName(item, name))
  if (typeof node !== 'object' || node === null) return false
  return Object.entries(node).some(([key, value]) =>
    key === 'target' ? usesName(value, name) : assignsName(value, name),
  )
}
