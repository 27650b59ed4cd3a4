/* Search: the index is loaded when the field is used first. `/` goes to the field, arrows through the results. */
const root = document.currentScript.dataset.root
const field = document.querySelector('#search')
const results = document.querySelector('#results')

let loading
const load = (src) =>
  new Promise((done, failed) => {
    const script = Object.assign(document.createElement('script'), { src: root + src, onload: done, onerror: failed })
    document.head.append(script)
  })
const index = () =>
  (loading ??= Promise.all([load('minisearch.js'), load('search-index.js')]).then(() => {
    const search = new globalThis.MiniSearch({
      fields: ['title', 'text'],
      storeFields: ['title', 'place', 'href', 'summary'],
      searchOptions: { boost: { title: 6 }, prefix: true, fuzzy: 0.15, combineWith: 'AND' },
    })
    search.addAll(globalThis.TRITUNE_SEARCH)
    return search
  }))

async function show() {
  const text = field.value.trim()
  if (text === '') {
    results.hidden = true
    return
  }
  const search = await index()
  if (field.value.trim() !== text) return
  const exact = (hit) =>
    (hit.title.toLowerCase() === text.toLowerCase() ? 2 : 0) + (hit.place.startsWith('tritune/') ? 1 : 0)
  const hits = search
    .search(text)
    .toSorted((a, b) => (Math.max(exact(b), 1) - Math.max(exact(a), 1)) || b.score - a.score)
    .slice(0, 12)
  results.replaceChildren(
    ...hits.map(({ title, place, href, summary }) => {
      const link = Object.assign(document.createElement('a'), { href: root + href })
      const small = Object.assign(document.createElement('small'), { textContent: `${place}${summary ? ` · ${summary}` : ''}` })
      link.append(title, small)
      const item = document.createElement('li')
      item.append(link)
      return item
    }),
  )
  if (hits.length === 0) {
    results.append(Object.assign(document.createElement('li'), { className: 'none', textContent: 'Nothing found' }))
  }
  results.hidden = false
}

field.addEventListener('focus', () => void index())
field.addEventListener('input', () => void show())
document.addEventListener('keydown', (event) => {
  const links = [...results.querySelectorAll('a')]
  const at = links.indexOf(document.activeElement)
  if (event.key === '/' && document.activeElement !== field) {
    event.preventDefault()
    field.focus()
  } else if (event.key === 'Escape') {
    results.hidden = true
  } else if (event.key === 'Enter' && document.activeElement === field && links.length > 0) {
    links[0].click()
  } else if (!results.hidden && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault()
    const next = at + (event.key === 'ArrowDown' ? 1 : -1)
    ;(links[next] ?? field).focus()
  }
})
document.addEventListener('click', (event) => {
  if (!event.target.closest('.search')) results.hidden = true
})
const wide = matchMedia('(min-width: 50.01rem)')
const fold = () => (document.querySelector('.navigation').open = wide.matches)
wide.addEventListener('change', fold)
fold()
