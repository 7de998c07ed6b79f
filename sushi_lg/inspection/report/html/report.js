"use strict";
(() => {
  const page = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Colours: the system's, unless the reader chose; a browser may refuse to remember for pages from disk.
  const theme = one("#theme");
  const remember = (value) => { try { localStorage.setItem("sushi-lg-theme", value); } catch { /* not remembered */ } };
  const show = (value) => { if (value) page.dataset.theme = value; else delete page.dataset.theme; };
  try { theme.value = localStorage.getItem("sushi-lg-theme") || ""; } catch { theme.value = ""; }
  show(theme.value);
  theme.addEventListener("change", () => { show(theme.value); remember(theme.value); });

  // What is jumped to, or focused, stays clear of the bar on top.
  const bar = one(".bar");
  const clear = () => {
    page.style.scrollPaddingTop = (getComputedStyle(bar).position === "sticky" ? bar.offsetHeight + 12 : 12) + "px";
  };
  new ResizeObserver(clear).observe(bar);

  // Filters
  const form = one("#filters");
  const rows = all(".row");
  const others = all(".item:not(.row)");
  const place = new Map(rows.map((row, at) => [row, at]));
  const idWord = /^([#p]?)(\d+)$/;
  const fits = (item, words, sequence) => {
    if (sequence !== "" && item.dataset.sequence !== sequence) return false;
    const ids = item.dataset.ids.split(" ");
    return words.every((word) => {
      const id = idWord.exec(word);  // a number means an id, P3 also where somebody is called so
      if (!id) return item.dataset.find.includes(word);
      return ids.includes(id[2]) || (id[1] === "p" && new RegExp("\\b" + word + "\\b").test(item.dataset.find));
    });
  };
  const hide = (element, isHidden) => { if (element.hidden !== isHidden) element.hidden = isHidden; };
  const filter = () => {
    const data = new FormData(form);
    const words = data.get("find").toLowerCase().split(/\s+/).filter(Boolean);
    const sequence = data.get("sequence"), least = Number(data.get("length")) || 0, flags = data.getAll("flag");
    let shown = 0;
    for (const row of rows) {
      const isShown = Number(row.dataset.length) >= least && flags.every((flag) => row.dataset.flags.includes(flag))
        && fits(row, words, sequence);
      hide(row, !isShown);
      shown += isShown;
    }
    for (const part of all(".sequence")) hide(part, !one(".row:not([hidden])", part));
    for (const item of others) hide(item, !fits(item, words, sequence));
    for (const none of all(".none")) {
      const items = all(".item", none.parentElement);
      hide(none, !items.length || items.some((item) => !item.hidden));
    }
    one("#count").textContent = shown + " of " + rows.length + " trajectories";
    rove();
  };
  const keys = {
    first: (a, b) => a.dataset.first - b.dataset.first,
    length: (a, b) => b.dataset.length - a.dataset.length,
    weak: (a, b) => a.dataset.weak - b.dataset.weak,
    switches: (a, b) => b.dataset.switches - a.dataset.switches,
  };
  const sort = () => {
    const key = keys[form.elements.order.value], focused = document.activeElement;
    for (const box of all(".rows")) {
      box.append(...all(".row", box).sort((a, b) => key(a, b) || place.get(a) - place.get(b)));
    }
    focused.focus({ preventScroll: true });  // moving a row takes the focus from it
  };
  let waiting = 0;
  form.addEventListener("input", (event) => {
    if (event.target.name === "order") { sort(); rove(); return; }
    clearTimeout(waiting);
    waiting = setTimeout(filter, event.target.type === "search" ? 120 : 0);
  });
  form.addEventListener("change", (event) => { if (event.target.type === "search") filter(); });  // Enter waits for nothing
  form.addEventListener("reset", () => setTimeout(() => { sort(); filter(); }));

  // One stop of the Tab key a sequence: arrows go from row to row.
  const heads = (box) => all(".row:not([hidden]) > summary", box);
  const rove = () => {
    for (const box of all(".rows")) {
      const visible = heads(box);
      for (const head of all(".row > summary", box)) head.tabIndex = -1;
      if (visible.length) (visible.find((head) => head === document.activeElement) || visible[0]).tabIndex = 0;
    }
  };
  const enter = (head) => {
    for (const other of all(".row > summary[tabindex='0']", head.closest(".rows"))) other.tabIndex = -1;
    head.tabIndex = 0;
    head.focus();
  };
  document.addEventListener("keydown", (event) => {
    const head = event.target.closest && event.target.closest(".row > summary");
    if (!head || event.ctrlKey || event.altKey || event.metaKey) return;
    const mine = heads(head.closest(".rows"));
    const at = mine.indexOf(head);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: mine.length - 1, PageDown: Math.min(at + 20, mine.length - 1),
      PageUp: Math.max(at - 20, 0) }[event.key];
    if (to === undefined || !mine[to]) return;
    event.preventDefault();
    enter(mine[to]);
  });

  // A link to a trajectory opens its row, also where a filter hides it.
  const visit = () => {
    let row = null;
    try { row = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!row || !row.classList.contains("row")) return;
    if (row.hidden) { form.reset(); filter(); }
    row.open = true;
    enter(one("summary", row));
    row.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", visit);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a.who");
    if (link && link.hash === location.hash) { event.preventDefault(); visit(); }
  });
  filter();
  visit();
})();
