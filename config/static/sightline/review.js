// Review: decided by keys. The next photo is in the page already and is shown at once; the decision travels meanwhile,
// and its answer brings the photo after that. Without this file the same forms lead from page to page.
"use strict";

(() => {
  const root = document.querySelector("[data-review]");
  const deck = root.querySelector("[data-deck]");
  const keys = root.querySelector("[data-keys]");
  const undoForm = root.querySelector("[data-undo]");
  const part = (name) => root.querySelector(`[data-${name}]`);
  const cards = () => [...deck.children];
  const current = () => deck.firstElementChild;
  // One request after the other: each says which photos the page holds, and that is known when the last is answered.
  let line = Promise.resolve();
  let waiting = 0;

  function show({ focus = false } = {}) {
    cards().forEach((card, at) => (card.hidden = at > 0));
    part("fetching").hidden = Boolean(current()) || waiting === 0;
    part("empty").hidden = Boolean(current()) || waiting > 0;
    if (focus) (current() ?? root.querySelector("h1")).focus({ preventScroll: true });
  }

  function send(form, submitter, taken) {
    const body = new FormData(form, submitter);
    waiting += 1;
    line = line.then(() => ask(form, body, taken)).finally(() => {
      waiting -= 1;
      show({ focus: !document.activeElement || document.activeElement === document.body });
    });
  }

  async function ask(form, body, taken) {
    cards().forEach((card) => body.append("besides", card.dataset.card));
    let step = null;
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
      step = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-step]");
    } catch {
      // The line is broken: told below, like an answer that is none.
    }
    if (step) take(step);
    else refuse(taken);
  }

  function take(step) {
    for (const name of ["progress", "said", "notice"]) {
      part(name).replaceChildren(...step.querySelector(`[data-${name}]`).childNodes);
    }
    const fresh = step.querySelector("[data-card]");
    if (!fresh) return;
    if ("inFront" in step.dataset) putInFront(fresh);
    else deck.append(fresh);
  }

  // Who is typing already keeps what they look at; the photo that came back is the next one then.
  function putInFront(card) {
    if (document.activeElement?.matches("[data-text]")) return current().after(card);
    deck.prepend(card);
    show({ focus: true });
    if (card.querySelector("[aria-invalid]")) edit(card);
  }

  // Nothing was decided: the photo comes back as it was left, typed words and all.
  function refuse(taken) {
    const notice = document.createElement("div");
    notice.className = "notice error";
    notice.setAttribute("role", "alert");
    notice.textContent = "The server did not answer as it should, or you are signed out: this was not decided. Try again in a moment.";
    part("notice").replaceChildren(notice);
    if (taken) putInFront(taken);
  }

  function decide(card, submitter) {
    const form = card.querySelector("[data-decide]");
    if (!submitter.formNoValidate && !form.reportValidity()) return;
    part("notice").replaceChildren();
    send(form, submitter, card);
    card.remove();
    show({ focus: true });
  }

  function label(card) {
    const changed = card.querySelector("[data-text]").value !== card.querySelector("[name=shown]").value;
    card.querySelector("[data-accept]").textContent = changed ? "Save" : "Accept";
  }

  root.addEventListener("submit", (event) => {
    const card = event.target.closest("[data-card]");
    if (event.target !== undoForm && !card) return;
    event.preventDefault();
    if (card) decide(card, event.submitter);
    else send(undoForm, event.submitter, null);
  });
  root.addEventListener("input", (event) => event.target.matches("[data-text]") && label(event.target.closest("[data-card]")));
  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-edit]")) edit(current());
    if (event.target.closest("[data-show-keys]")) keys.showModal();
  });

  function edit(card) {
    const text = card.querySelector("[data-text]");
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  }

  function press(selector) {
    current()?.querySelector(selector)?.click();
  }
  const choose = (decision) => press(`[name=decision][value=${decision}]`);

  function typed(event) {
    const card = event.target.closest("[data-card]");
    if (!card) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      choose("accept");
    } else if (event.key === "Escape") {
      event.target.value = card.querySelector("[name=shown]").value;
      label(card);
      card.focus({ preventScroll: true });
    }
  }

  const pressed = {
    a: () => choose("accept"),
    e: () => current() && edit(current()),
    r: () => choose("reject"),
    s: () => choose("skip"),
    u: () => undoForm.requestSubmit(),
    "?": () => keys.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (keys.open || event.defaultPrevented) return;
    if (event.target.matches("textarea, input, select")) return typed(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Enter" && !event.target.closest("a, button, summary")) {
      event.preventDefault();
      return choose("accept");
    }
    if (/^[1-9]$/.test(event.key)) return press(`.alternatives li:nth-child(${event.key}) button`);
    const act = pressed[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });

  if (current()) current().focus({ preventScroll: true });
})();
