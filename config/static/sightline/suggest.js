// While somebody types a search: what it may become, in a list below the box that works by keyboard and by screen
// reader (the combobox pattern of WAI-ARIA). Without this file the box is a plain search box.
"use strict";

(() => {
  const AFTER_MS = 120;
  const box = document.querySelector("[data-search-box]");
  if (!box) return;
  const list = Object.assign(document.createElement("ul"), { id: "suggestions", className: "suggestions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  box.form.append(list);
  let waiting = 0;
  let asking = new AbortController();
  let active = -1;

  function mark(at) {
    active = at;
    [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    if (at < 0) box.removeAttribute("aria-activedescendant");
    else box.setAttribute("aria-activedescendant", list.children[at].id);
  }

  function close() {
    clearTimeout(waiting);
    asking.abort();
    list.hidden = true;
    if (box.getAttribute("role") === "combobox") box.setAttribute("aria-expanded", "false");
    mark(-1);
  }

  function open(suggestions) {
    if (!suggestions.length) return close();
    // Only now, so that a box without suggestions is what it says: a search box.
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", list.id);
    box.setAttribute("aria-expanded", "true");
    list.replaceChildren(
      ...suggestions.map(({ query }, at) => {
        const option = Object.assign(document.createElement("li"), { id: `suggestion-${at}`, textContent: query });
        option.setAttribute("role", "option");
        return option;
      }),
    );
    list.hidden = false;
    mark(-1);
  }

  async function suggest() {
    asking.abort();
    asking = new AbortController();
    try {
      const address = `/api/v1/suggest?q=${encodeURIComponent(box.value)}`;
      const answer = await fetch(address, { signal: asking.signal });
      open(answer.ok ? (await answer.json()).suggestions : []);
    } catch {
      // Overtaken by the next letter, or the line is broken: the box works without.
    }
  }

  function choose(option) {
    box.value = option.textContent;
    close();
    box.form.requestSubmit();
  }

  box.addEventListener("input", () => {
    close();
    if (box.value.trim()) waiting = setTimeout(suggest, AFTER_MS);
  });
  box.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const count = list.children.length;
    if (event.key === "ArrowDown") mark(active + 1 < count ? active + 1 : -1);
    else if (event.key === "ArrowUp") mark(active < 0 ? count - 1 : active - 1);
    else if (event.key === "Enter" && active >= 0) choose(list.children[active]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  box.addEventListener("blur", close);
  box.form.addEventListener("submit", close);
  // Before the box loses the focus, which closes the list.
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    event.preventDefault();
    choose(option);
  });
})();
