// Upload: one request per file, a few at a time, so that each file has its own progress and its own answer.
"use strict";

(() => {
  const AT_ONCE = 3;
  const form = document.querySelector("[data-upload]");
  const drop = form.querySelector("[data-drop]");
  const list = document.querySelector("[data-files]");
  const summary = document.querySelector("[data-summary]");
  const template = document.getElementById("file-row");
  const token = form.elements.csrfmiddlewaretoken.value;
  const maxBytes = Number(form.dataset.maxBytes);
  const waiting = [];
  // What was chosen; and photos, of which an archive holds many.
  const files = { chosen: 0, settled: 0 };
  const photos = { added: 0, known: 0, failed: 0 };
  let running = 0;

  const megabytes = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`);

  function enqueue(chosen) {
    for (const file of chosen) {
      files.chosen += 1;
      const row = addRow(file);
      if (file.size > maxBytes && !file.name.toLowerCase().endsWith(".zip")) fail(row, `This file is ${megabytes(file.size)}; the limit is ${megabytes(maxBytes)}.`);
      // What is chosen in the form counts for the files chosen under it, also if it is changed afterwards.
      else waiting.push({ file, row, fields: fieldsNow() });
    }
    summarise();
    pump();
  }

  function fieldsNow() {
    const data = new FormData(form);
    return { visibility: data.get("visibility"), tags: data.get("tags") };
  }

  function addRow(file) {
    const row = template.content.firstElementChild.cloneNode(true);
    row.querySelector(".file-name").textContent = file.name;
    row.querySelector(".file-size").textContent = megabytes(file.size);
    if (/^image\/(jpeg|png|webp|gif|avif|bmp)$/.test(file.type)) preview(row, file);
    list.append(row);
    return row;
  }

  function preview(row, file) {
    const picture = new Image();
    picture.alt = "";
    picture.onload = () => {
      row.querySelector(".file-picture").replaceChildren(picture);
      URL.revokeObjectURL(picture.src);
    };
    picture.onerror = () => URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
  }

  function pump() {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(waiting.shift());
    }
  }

  function send(job) {
    const body = new FormData();
    body.append("files", job.file);
    body.append("visibility", job.fields.visibility);
    if (job.fields.tags) body.append("tags", job.fields.tags);
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.endpoint);
    request.setRequestHeader("X-CSRFToken", token);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && progress(job.row, event.loaded / event.total);
    request.onload = () => answer(job, request);
    request.onerror = () => fail(job.row, "The connection broke.", job);
    request.onloadend = () => {
      running -= 1;
      summarise();
      pump();
    };
    say(job.row, "Uploading");
    request.send(body);
  }

  function progress(row, share) {
    const bar = row.querySelector("progress");
    bar.hidden = false;
    bar.value = share;
    if (share >= 1) say(row, "Storing");
  }

  function answer(job, request) {
    const reply = parse(request.responseText);
    const stored = reply?.files ?? [];
    if (stored.length > 1) return succeedAsArchive(job.row, stored);
    if (stored.length === 1 && stored[0].id) return succeed(job.row, stored[0]);
    const rule = reply?.errors?.[0]?.rule ?? reply?.detail ?? `The server answered ${request.status}.`;
    const retry = request.status >= 500 || request.status === 429 ? job : undefined;
    fail(job.row, withoutName(rule, job.file.name), retry);
  }

  // The API names the file in front of each rule; here the row does.
  function withoutName(rule, name) {
    const plain = rule.startsWith(`${name}: `) ? rule.slice(name.length + 2) : rule;
    return plain.charAt(0).toUpperCase() + plain.slice(1);
  }

  function parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  function succeed(row, file) {
    const known = Boolean(file.duplicate_of);
    files.settled += 1;
    photos[known ? "known" : "added"] += 1;
    row.classList.add("added");
    say(row, known ? "Already in your library" : "Added", link(`/assets/${Number(file.id)}/`, "Open"));
  }

  function succeedAsArchive(row, stored) {
    const count = (test) => stored.filter(test).length;
    const [added, known] = [count((file) => file.id && !file.duplicate_of), count((file) => file.duplicate_of)];
    const refused = stored.filter((file) => file.error);
    files.settled += 1;
    photos.added += added;
    photos.known += known;
    photos.failed += refused.length;
    row.classList.add("added");
    const parts = [`${added} photos added`];
    if (known) parts.push(`${known} already yours`);
    if (refused.length) parts.push(`${refused.length} refused (${refused[0].name}: ${refused[0].error})`);
    say(row, parts.join(", "));
  }

  function link(href, text) {
    const element = document.createElement("a");
    element.href = href;
    element.textContent = text;
    return element;
  }

  function fail(row, reason, job) {
    files.settled += 1;
    photos.failed += 1;
    row.classList.add("failed");
    const again = job && retryButton(row, job);
    say(row, reason, ...(again ? [again] : []));
  }

  function retryButton(row, job) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = "Try again";
    button.onclick = () => {
      files.settled -= 1;
      photos.failed -= 1;
      row.classList.remove("failed");
      waiting.push(job);
      say(row, "Waiting");
      pump();
    };
    return button;
  }

  function say(row, text, ...more) {
    const words = document.createElement("span");
    words.textContent = text;
    const bar = row.querySelector("progress");
    bar.hidden = !["Uploading", "Storing"].includes(text);
    row.querySelector(".file-state").replaceChildren(bar, words, ...more);
  }

  function summarise() {
    const parts = [];
    if (photos.added) parts.push(`${photos.added} added`);
    if (photos.known) parts.push(`${photos.known} already yours`);
    if (photos.failed) parts.push(`${photos.failed} failed`);
    summary.hidden = false;
    summary.querySelector("[data-count]").textContent =
      files.settled < files.chosen ? `${files.settled} of ${files.chosen} done` : parts.join(", ");
    summary.querySelector("[data-next]").hidden = files.settled < files.chosen || photos.added + photos.known === 0;
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  const chooser = form.elements.files;
  function takeChosen() {
    if (!chooser.files.length) return;
    enqueue([...chooser.files]);
    chooser.value = "";
  }
  chooser.addEventListener("change", takeChosen);
  takeChosen(); // on a slow line somebody may have chosen before this script was there
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    enqueue([...event.dataTransfer.files]);
  });
  addEventListener("beforeunload", (event) => {
    if (running) event.preventDefault();
  });
})();
