// Small comforts of every page. Each works on what it finds; without this file the pages still do their work.
"use strict";

(() => {
  const find = (selector) => document.querySelector(selector);

  // "/" goes to the search box, as in most places where people search.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const box = find("[data-search-box]");
    if (!box) return;
    event.preventDefault();
    box.focus();
    box.select();
  });

  // The account menu closes like a menu: on Escape, and on a click elsewhere.
  const menu = find("[data-menu]");
  if (menu) {
    document.addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }

  // A link with data-dialog is a page of its own; here htmx fetches its form and it opens in place.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target instanceof HTMLDialogElement && !event.target.open) event.target.showModal();
  });
  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-close-dialog]");
    const dialog = closer?.closest("dialog");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  });

  // Where an answer holds nothing for the place it was asked for (an error page, a broken line), what is there
  // stays, and what somebody pressed is done the plain way, so that they see what is wrong.
  function plainly(element) {
    if (element instanceof HTMLAnchorElement) location.assign(element.href);
    if (element instanceof HTMLFormElement) element.submit();
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt } = event.detail.requestConfig;
    const wanted = elt.getAttribute("hx-select");
    const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    if (!event.detail.isError || !wanted || page.querySelector(wanted)) return;
    event.detail.shouldSwap = false;
    plainly(elt);
  });
  document.addEventListener("htmx:sendError", (event) => plainly(event.detail.elt));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.querySelector("span").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source); // no clipboard without https: Ctrl-C does it
    }
  });

  // Where searches are recorded, the answer names itself, and opening a result is told.
  document.addEventListener("click", (event) => {
    const photo = event.target.closest("[data-search-token] .photo");
    if (!photo || !event.target.closest("a")) return;
    const results = photo.closest("[data-search-token]");
    const told = {
      search: results.dataset.searchToken,
      asset: Number(photo.dataset.photo),
      place: [...results.querySelectorAll(".photo")].indexOf(photo) + 1,
    };
    navigator.sendBeacon("/api/v1/search/clicks", new Blob([JSON.stringify(told)], { type: "application/json" }));
  });

  // Home: the page knows whether it shows an answer, so that the box moves up after the first search.
  const home = find("[data-home]");
  if (!home) return;
  const asked = find("[data-asked]");
  const picture = find("[data-asked-picture]");
  const pictureForm = find("[data-picture-form]");
  const pictureInput = pictureForm.elements.file;
  const curtain = find("[data-dropping]");

  document.addEventListener("htmx:afterSettle", () => {
    home.classList.toggle("searched", Boolean(find("#results[data-searched]")));
  });

  function forgetPicture() {
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.removeAttribute("src");
    asked.hidden = true;
    pictureInput.value = "";
    pictureForm.elements.q.value = "";
    pictureForm.classList.remove("chosen");
  }

  function askWith(files) {
    const chosen = [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
    if (!chosen) return;
    forgetPicture();
    const one = new DataTransfer();
    one.items.add(chosen);
    pictureInput.files = one.files;
    picture.src = URL.createObjectURL(chosen);
    asked.hidden = false;
    pictureForm.classList.add("chosen");
    find("[data-search-form]").reset();
    find("[data-search-form]").elements.q.value = "";
    pictureForm.requestSubmit();
  }

  find("[data-choose-picture]").addEventListener("click", () => pictureInput.click());
  pictureInput.addEventListener("change", () => askWith([...pictureInput.files]));
  find("[data-forget-picture]").addEventListener("click", () => location.assign("/"));
  find("[data-search-form]").addEventListener("submit", forgetPicture);

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    curtain.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) curtain.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    curtain.hidden = true;
    askWith(event.dataTransfer.files);
  });
})();
