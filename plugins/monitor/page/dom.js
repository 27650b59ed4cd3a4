/** Elements, made in one call. Text is always text: nothing that comes from a run becomes markup. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [props] `class`, `on…` handlers, attributes; null, undefined and false are left out
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), (event) => value(event))
    else if (name === 'value' && 'value' in element) Reflect.set(element, 'value', value)
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== null && child !== undefined))
  return element
}

/**
 * A colour of its own for what is inside; a style sheet cannot know it, and an attribute `style` is not allowed.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string} colour
 * @returns {E}
 */
export function tinted(element, colour) {
  element.style.setProperty('--tint', colour)
  return element
}

/**
 * Replaces what is inside, only where it changed: a list that is drawn anew loses its focus.
 *
 * @param {Element} parent
 * @param {string} stamp
 * @param {() => (Node | string)[]} make
 */
export function refresh(parent, stamp, make) {
  if (parent.getAttribute('data-stamp') === stamp) return
  parent.setAttribute('data-stamp', stamp)
  parent.replaceChildren(...make())
}

/** @param {string} text @param {boolean} [bad] */
export function toast(text, bad = false) {
  const one = el('div', { class: bad ? 'toast bad' : 'toast' }, text)
  document.getElementById('toasts')?.append(one)
  setTimeout(() => one.remove(), bad ? 12_000 : 5000)
}
