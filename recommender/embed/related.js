/* Sightline: related content beside an article, and words for pictures that have none.
 *
 *   <script src="https://photos.example/embed/related.js" data-site="slp_..." data-item="article-17" async></script>
 *
 * data-site     the site's publishable key
 * data-item     the external id of the item that the page shows; or data-asset, a photo's id
 * data-target   where the list goes (a selector); else behind the script. The list is one row: reserve 17rem, and nothing
 *               moves
 * data-kind, data-limit, data-scenario, data-heading, data-visitor
 * data-alt      also describe pictures of the page that have no alt attribute; the value is said after each description
 *
 * No cookies, nothing stored. Without data-visitor, each page view is a stranger of its own.
 */
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script) return;
  const asked = script.dataset;
  const base = new URL("..", script.src);
  const key = asked.site || "";
  const slug = key.split("_")[1] || key;
  const PATIENCE_MS = 8000;
  const SEEN_SHARE = 0.5;
  const PICTURES_AT_MOST = 40;
  const ADDRESS_MAX_CHARS = 2000;
  const STYLE = `
    :host { display: block; container-type: inline-size; color: var(--sightline-color, inherit);
      font: var(--sightline-font, inherit); }
    :host([hidden]) { display: none }
    h2 { font: var(--sightline-heading-font, 600 1.15em/1.3 inherit); margin: 0 0 .6em }
    ul { display: grid; gap: var(--sightline-gap, 1rem); list-style: none; margin: 0; padding: 4px; overflow-x: auto;
      grid-auto-flow: column; grid-auto-columns: var(--sightline-card-width, 11rem) }
    a { display: block; color: inherit; text-decoration: none; border-radius: var(--sightline-radius, .5rem) }
    a:focus-visible { outline: 3px solid var(--sightline-accent, #0b57d0); outline-offset: 1px }
    .picture { display: block; aspect-ratio: 4/3; overflow: hidden; border-radius: inherit;
      background: var(--sightline-placeholder, #8883) }
    img { width: 100%; height: 100%; object-fit: cover; display: block }
    .title { display: block; height: 2.6em; line-height: 1.3; margin-top: .4em; overflow: hidden }
    .reason { display: block; height: 1.3em; line-height: 1.3; font-size: .85em; overflow: hidden; white-space: nowrap;
      text-overflow: ellipsis; color: var(--sightline-muted, inherit) }
    a:hover .title { text-decoration: underline }
    @media (prefers-reduced-motion: no-preference) { img { transition: transform .2s } a:hover img { transform: scale(1.03) } }`;

  const visitor = asked.visitor || `page-${random()}`;
  const waiting = [];
  let recommendation = "";
  let timer = 0;

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  function address(path, values) {
    const url = new URL(path, base);
    url.searchParams.set("key", key);
    for (const [name, value] of Object.entries(values)) if (value) url.searchParams.set(name, value);
    return url;
  }

  async function ask(url, options = {}) {
    const giveUp = new AbortController();
    const clock = setTimeout(() => giveUp.abort(), PATIENCE_MS);
    try {
      const answer = await fetch(url, { ...options, signal: giveUp.signal, credentials: "omit", referrerPolicy: "origin" });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // the service is away, which is no business of the page's
    } finally {
      clearTimeout(clock);
    }
  }

  /* Interactions: collected for a moment, sent at once when the page goes. text/plain needs no preflight. */
  function note(kind, thing) {
    waiting.push({ visitor, kind, ...thing, recommendation, at: new Date().toISOString(), key: random() });
    clearTimeout(timer);
    if (kind === "click") flush();
    else timer = setTimeout(flush, 1500);
  }

  function flush() {
    if (!waiting.length) return;
    const body = JSON.stringify({ interactions: waiting.splice(0) });
    const url = address("api/v1/interactions", {});
    fetch(url, { method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "origin" }).catch(() => {});
  }

  function card(one) {
    const { item, asset } = one;
    const told = item || asset;
    const href = item ? item.url : new URL(`assets/${asset.id}/`, base).href;
    if (!/^https?:/.test(href)) return null;
    const link = element("a");
    link.href = href;
    const picture = element("span", "picture");
    if (told.thumbnail) {
      const image = element("img");
      Object.assign(image, { loading: "lazy", decoding: "async", alt: told.alt_text || "" });
      image.width = told.width;
      image.height = told.height;
      image.src = new URL(told.thumbnail, base).href;
      picture.append(image);
    }
    link.append(picture, element("span", "title", told.title || told.caption || "Photo"));
    link.append(element("span", "reason", one.fallback ? "" : one.reason));
    const thing = item ? { item: item.external_id } : { asset: asset.id };
    for (const click of ["click", "auxclick"]) link.addEventListener(click, () => note("click", thing));
    const entry = element("li");
    entry.append(link);
    watch(entry, thing);
    return entry;
  }

  function watch(entry, thing) {
    const seen = new IntersectionObserver(
      (entries) => {
        if (!entries.some((one) => one.isIntersecting)) return;
        seen.disconnect();
        note("impression", thing);
      },
      { threshold: SEEN_SHARE },
    );
    seen.observe(entry);
  }

  async function related() {
    if (!asked.item && !asked.asset) return;
    const place = asked.target && document.querySelector(asked.target);
    const path = asked.item
      ? `api/v1/sites/${encodeURIComponent(slug)}/items/${encodeURIComponent(asked.item)}/related`
      : `api/v1/assets/${encodeURIComponent(asked.asset)}/related`;
    const { kind, scenario } = asked;
    const visitor = /^[\w.~:-]{1,64}$/.test(asked.visitor) ? asked.visitor : ""; // else it is no name, and refused
    const answer = await ask(address(path, { kind, scenario, visitor, limit: asked.limit || "4" }));
    const cards = answer ? answer.results.map((one) => ((recommendation = answer.recommendation), card(one))) : [];
    const shown = cards.filter(Boolean);
    if (!shown.length) return;
    const host = element("section");
    const heading = asked.heading || "Related";
    host.setAttribute("aria-label", heading);
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const list = element("ul");
    list.setAttribute("role", "list");
    list.append(...shown);
    root.append(element("h2", "", heading), list);
    if (place) place.append(host);
    else insertUnseen(host);
  }

  /* Without a place of its own the list goes behind the script, but never under the eyes of who reads what follows. */
  function insertUnseen(host) {
    const insert = () => {
      const next = script.nextElementSibling;
      const top = next ? next.getBoundingClientRect().top : Infinity;
      const scrolls = document.documentElement.scrollHeight > innerHeight;
      if (scrolls && top >= 0 && top < innerHeight) return;
      removeEventListener("scroll", insert);
      script.after(host);
    };
    addEventListener("scroll", insert, { passive: true });
    insert();
  }

  /* Words for pictures whose author gave none. An empty alt is the author's word, too: the picture is decoration. */
  async function describe() {
    const asksFor = ({ src }) => /^https?:/.test(src) && src.length <= ADDRESS_MAX_CHARS;
    const images = [...document.querySelectorAll("img:not([alt])")].filter(asksFor).slice(0, PICTURES_AT_MOST);
    if (!images.length) return;
    const urls = [...new Set(images.map((image) => image.src))];
    const answer = await ask(address("api/v1/alt", {}), { method: "POST", body: JSON.stringify({ urls }) });
    const described = new Map(answer ? answer.results.map((one) => [one.url, one]) : []);
    for (const image of images) {
      const told = described.get(image.src);
      if (!told || image.hasAttribute("alt")) continue;
      const machine = told.source === "model";
      image.alt = machine ? `${told.alt} (${asked.alt || "described by a machine"})` : told.alt;
      image.dataset.altSource = machine ? "machine" : "person";
    }
  }

  addEventListener("pagehide", flush);
  const begin = () => {
    related().catch(() => {});
    if ("alt" in asked) describe().catch(() => {});
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
  else begin();
})();
