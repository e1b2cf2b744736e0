'use strict';
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const form = document.getElementById('filter');
  const shown = document.getElementById('shown');
  const matrix = document.getElementById('matrix');
  const failures = all('#failures > details[data-n]').map(element => ({
    element, name: element.dataset.n.toLowerCase(), outcomes: element.dataset.o.split(','),
  }));
  const suites = all('.suite', matrix).map(element => ({
    element, open: element.open,
    name: element.querySelector('summary b').textContent.toLowerCase(),
    rows: all('tbody tr', element).map(row => ({
      element: row,
      name: row.firstElementChild.dataset.n?.toLowerCase() ?? row.firstElementChild.textContent.toLowerCase(),
      outcomes: row.dataset.o.split(','),
    })),
  }));
  const total = suites.reduce((sum, suite) => sum + suite.rows.length, 0);
  const style = document.head.appendChild(document.createElement('style'));
  const kernels = Number(matrix?.style.getPropertyValue('--k') || 1);

  const wanted = () => {
    const kernel = form.kernel ? Number(form.kernel.value) : -1;
    return {
      words: form.q.value.toLowerCase().split(/\s+/).filter(word => word),
      outcomes: new Set(all('input[name=o]:checked', form).map(box => box.value)),
      differ: Boolean(form.differ?.checked),
      kernel,
    };
  };
  const fits = (test, want) => {
    const looked = want.kernel < 0 ? test.outcomes : [test.outcomes[want.kernel]];
    if (want.kernel >= 0 && looked[0] === '') return false;
    if (want.outcomes.size && !looked.some(outcome => want.outcomes.has(outcome))) return false;
    if (want.differ && new Set(test.outcomes.map(outcome => outcome === 'not run' ? '' : outcome)).size < 2) return false;
    return want.words.every(word => test.name.includes(word));
  };

  let pending = 0;
  const apply = () => {
    pending = 0;
    const want = wanted();
    const filtered = want.words.length || want.outcomes.size || want.differ || want.kernel >= 0;
    let count = 0;
    for (const suite of suites) {
      let some = 0;
      for (const row of suite.rows) {
        const fit = !filtered || fits({ name: suite.name + '.' + row.name, outcomes: row.outcomes }, want);
        row.element.hidden = !fit;
        some += fit ? 1 : 0;
      }
      suite.element.hidden = some === 0;
      count += some;
    }
    for (const failure of failures) failure.element.hidden = filtered && !fits(failure, want);
    const visible = suites.filter(suite => !suite.element.hidden);
    for (const suite of visible) suite.element.open = filtered ? visible.length <= 40 || suite.open : suite.open;
    style.textContent = want.kernel < 0 ? '' :
      `.matrix{--k:1 !important}.columns span:not(:nth-child(${want.kernel + 2})):not(:first-child),.suite>summary>span:not(:nth-child(${want.kernel + 2})),` +
      `.suite tbody td:not(:nth-child(${want.kernel + 2})),.suite col.k:not(:nth-child(${want.kernel + 2})),.suite thead th:not(:nth-child(${want.kernel + 2})):not(:first-child){display:none}`;
    const number = value => value.toLocaleString('en');
    shown.textContent = filtered ? `${number(count)} of ${number(total)} tests` : `${number(total)} tests`;
  };
  const soon = () => { pending ||= requestAnimationFrame(apply); };

  if (form && matrix) {
    form.addEventListener('input', soon);
    form.addEventListener('submit', event => event.preventDefault());
    form.addEventListener('reset', () => setTimeout(apply));
    for (const suite of suites) suite.element.addEventListener('toggle', () => {
      if (!form.q.value && !all('input:checked', form).length) suite.open = suite.element.open;
    });
    document.getElementById('open-all').addEventListener('click', () => {
      const open = suites.some(suite => !suite.element.hidden && !suite.element.open);
      for (const suite of suites) if (!suite.element.hidden) suite.element.open = open;
    });
    apply();
  }

  for (const box of all('input.severe')) box.addEventListener('change', () => {
    box.closest('details').querySelector('.log').classList.toggle('severe', box.checked);
  });

  // A link to something folded opens it.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === 'DETAILS') part.open = true;
    target.scrollIntoView();
    (target.querySelector('summary') ?? target).focus({ preventScroll: true });
  };
  addEventListener('hashchange', unfold);
  document.addEventListener('click', event => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) setTimeout(unfold);
  });
  unfold();

  const step = direction => {
    const list = all('.item').filter(item => item.offsetParent);
    if (!list.length) return;
    const at = list.findIndex(item => item.contains(document.activeElement));
    const next = list[at < 0 ? (direction > 0 ? 0 : list.length - 1) : (at + direction + list.length) % list.length];
    next.open = true;
    next.querySelector('summary').focus();
    next.scrollIntoView({ block: 'nearest' });
  };
  const help = document.getElementById('keys');
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.('input[type=search], select');
    if (event.key === 'Escape' && typing) { form.reset(); event.target.blur(); }
    if (typing) return;
    const action = {
      '/': () => form?.q.focus(), n: () => step(1), p: () => step(-1),
      e: () => document.getElementById('open-all')?.click(), '?': () => help.open ? help.close() : help.showModal(),
    }[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  document.getElementById('show-keys')?.addEventListener('click', () => help.showModal());
})();
