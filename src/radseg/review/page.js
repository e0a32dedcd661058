// The page of `radseg review`. Names are foreign text: they become text nodes, never markup.
"use strict";
const $ = id => document.getElementById(id);
const json = element => JSON.parse(element.textContent);
const run = json($("run"));
const images = [...document.querySelectorAll(".facts")].map(json);
const pixels = document.querySelectorAll(".pixels"); // parsed when an image is seen: most of the file
const ROW = 196, CARD = 176, MARGIN = 1; // pixels of a row and a card at least; rows kept beyond the screen
const FORMAT = "radseg-review/1", STORE = `${FORMAT}:${run.key}`;
const WORD = { accept: "✓ accepted", reject: "✗ rejected" };
const grid = $("grid"), space = $("space"), full = $("full");
const colours = run.colours.map(hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)));
const undone = []; // what each step replaced
const cards = new Map(); // by index of the image, those in the document only
let decisions = new Map(kept());
let shown = [], at = 0, columns = 1; // indices of the images that fit the filter; place of the current one

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "[]").filter(([, decision]) => Object.hasOwn(WORD, decision));
  } catch { return []; }
}

function keep() {
  try { localStorage.setItem(STORE, JSON.stringify([...decisions])); } catch {
    say("This browser keeps nothing for a file: download the list before you close the page.");
  }
}

// Filter and order. An entry of a class is [label, share, confidence, presence].
const entryOf = (image, label) => image.classes.find(one => one[0] === label) ?? [label, 0, null, 0];

function limits(name) {
  return ["min", "max"].map(end => $(`${name}-${end}`)).map(field => field.value === "" ? null : field.valueAsNumber / 100);
}

function within(value, [low, high]) {
  if (low === null && high === null) return true;
  return value !== null && (low === null || value >= low) && (high === null || value <= high);
}

function filter() {
  const text = $("text").value.trim().toLowerCase(), state = $("state").value, label = Number($("class").value);
  const ranges = ["share", "confidence", "presence"].map(limits);
  const ranged = ranges.some(range => range.some(end => end !== null));
  return image => {
    const stateOf = image.message ? "failed" : decisions.get(image.name) ?? "open";
    if (state !== "all" && state !== stateOf) return false;
    if (text && !`${image.name}\n${image.source}`.toLowerCase().includes(text)) return false;
    if (!label && !ranged) return true;
    if (image.message) return false;
    if (!ranged) return entryOf(image, label)[1] > 0;
    const entries = label ? [entryOf(image, label)] : image.classes;
    return entries.some(one => ranges.every((range, i) => within(one[i + 1], range)));
  };
}

function rank() {
  const label = Number($("class").value), order = $("order").value;
  const of = (image, part, pick, none) => {
    const values = (label ? [entryOf(image, label)] : image.classes.filter(one => one[1] > 0)).map(one => one[part]);
    return pick(none, ...values.filter(value => value !== null));
  };
  return {
    confidence: image => of(image, 2, Math.min, 2),
    largest: image => -of(image, 1, Math.max, 0),
    smallest: image => of(image, 1, Math.max, 0),
    presence: image => of(image, 3, Math.min, 2),
  }[order];
}

function update() {
  const current = shown[at], fits = filter(), key = rank();
  shown = images.map((_, index) => index).filter(index => fits(images[index]));
  if (key) {
    const keys = images.map(key);
    shown.sort((one, other) => keys[one] - keys[other] || one - other);
  }
  const place = shown.indexOf(current);
  at = place >= 0 ? place : Math.max(0, Math.min(at, shown.length - 1));
  const count = { accept: 0, reject: 0 }, failed = images.filter(image => image.message).length;
  for (const image of images) if (decisions.has(image.name)) count[decisions.get(image.name)] += 1;
  say(`${shown.length} of ${images.length} shown · ${count.accept} accepted · ${count.reject} rejected · ${failed} failed`);
  $("empty").hidden = shown.length > 0;
  draw();
}

function say(text) { $("counts").textContent = text; }

// The grid: only the rows on the screen are in the document.
function draw() {
  columns = Math.max(1, Math.floor(space.clientWidth / CARD));
  const width = space.clientWidth / columns, rows = Math.ceil(shown.length / columns);
  space.style.height = `${rows * ROW}px`;
  const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - MARGIN) * columns;
  const last = Math.min(shown.length, (Math.ceil((grid.scrollTop + grid.clientHeight) / ROW) + MARGIN) * columns);
  const wanted = new Set(shown.slice(first, last));
  if (shown.length) wanted.add(shown[at]); // it may hold the focus
  for (const [index, card] of cards) {
    if (!wanted.has(index)) { card.remove(); cards.delete(index); }
  }
  for (let place = first; place < last; place++) put(place, width);
  if (shown.length && (at < first || at >= last)) put(at, width);
}

function put(place, width) {
  const index = shown[place], image = images[index], decision = decisions.get(image.name);
  const card = cards.get(index) ?? newCard(index);
  card.style.width = `${width}px`;
  card.style.transform = `translate(${(place % columns) * width}px, ${Math.floor(place / columns) * ROW}px)`;
  card.classList.toggle("accept", decision === "accept");
  card.classList.toggle("reject", decision === "reject");
  card.tabIndex = place === at ? 0 : -1;
  card.lastChild.textContent = WORD[decision] ?? card.what;
  for (const [name, value] of Object.entries({
    selected: place === at, setsize: shown.length, posinset: place + 1,
    label: `${image.source}: ${decision ? `${decision}ed` : "undecided"}; ${card.what}`,
  })) card.setAttribute(`aria-${name}`, value);
}

function newCard(index) {
  const image = images[index], card = make("div", { className: "card" });
  const largest = image.classes.filter(one => one[1] > 0).sort((one, other) => other[1] - one[1]);
  card.what = image.message ? `failed: ${image.message}`
    : largest.slice(0, 3).map(one => `${run.names[one[0] - 1]} ${percent(one[1])}`).join(", ") || "no class";
  card.setAttribute("role", "option");
  card.append(
    image.message ? make("div", { className: "problem", textContent: image.message }) : make("canvas", { width: 1, height: 1 }),
    make("div", { className: "name", textContent: image.source, title: image.source }),
    make("div", { className: "what" }),
  );
  card.addEventListener("click", () => { go(shown.indexOf(index)); open(); });
  cards.set(index, card);
  space.append(card);
  if (!image.message) paint(card, index);
  return card;
}

const percent = value => value === null ? "–" : `${(value * 100).toFixed(value < 0.01 && value > 0 ? 2 : 0)} %`;

async function decoded(kind, content) {
  const image = make("img", { src: `data:image/${kind};base64,${content}` });
  await image.decode();
  return image;
}

// A mask's labels are its grey values; with more than 254 classes red + 256 · green.
async function labelsOf(content) {
  const image = await decoded("png", content);
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function tinted(labels) {
  const only = Number($("only").value), { data, width, height } = labels, image = new ImageData(width, height);
  for (let byte = 0; byte < data.length; byte += 4) {
    const label = run.wide ? data[byte] + 256 * data[byte + 1] : data[byte], colour = colours[label - 1];
    if (colour && (!only || only === label)) image.data.set([...colour, 255], byte);
  }
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

async function paint(card, index) {
  card.loaded ??= (async () => {
    const { thumb, small } = json(pixels[index]);
    return [thumb && await decoded("jpeg", thumb), await labelsOf(small)];
  })();
  const [photo, labels] = await card.loaded, canvas = card.firstChild, context = canvas.getContext("2d");
  [canvas.width, canvas.height] = photo ? [photo.naturalWidth, photo.naturalHeight] : [labels.width, labels.height];
  if (photo) context.drawImage(photo, 0, 0);
  context.globalAlpha = photo ? Number($("opacity").value) / 100 : 1;
  context.imageSmoothingEnabled = false;
  context.drawImage(tinted(labels), 0, 0, canvas.width, canvas.height);
}

function repaint() {
  for (const [index, card] of cards) if (!images[index].message) paint(card, index);
  if (full.open) overlay();
}

// The large view.
let labels = null;

function open() { if (shown.length) { if (!full.open) full.showModal(); show(); } }

async function show() {
  const index = shown[at], image = images[index], { thumb, mask } = json(pixels[index]);
  const decision = decisions.get(image.name);
  full.dataset.image = image.name;
  $("full-name").textContent = `${image.source} (${at + 1} of ${shown.length}) ${WORD[decision] ?? ""}`;
  $("note").textContent = image.message || (image.photo ? "" : "The original is not known: radseg review RUN --images FOLDER.");
  for (const name of ["accept", "reject"]) {
    $(name).setAttribute("aria-pressed", decision === name);
    $(name).disabled = Boolean(image.message);
  }
  const preview = thumb ? `data:image/jpeg;base64,${thumb}` : "";
  for (const photo of document.querySelectorAll("#panes img")) {
    photo.hidden = !(image.photo || preview);
    photo.onerror = () => {
      photo.onerror = null;
      $("note").textContent = "The original cannot be shown from where it was: this is its thumbnail.";
      if (preview) photo.src = preview; else photo.hidden = true;
    };
    if (image.photo || preview) photo.src = image.photo || preview; else photo.removeAttribute("src");
  }
  labels = null;
  overlay();
  listClasses(image);
  const read = mask ? await labelsOf(mask) : null;
  if (shown[at] === index) { labels = read; overlay(); }
}

function overlay() {
  const canvas = $("masked").querySelector("canvas");
  const source = labels ? tinted(labels) : make("canvas", { width: 1, height: 1 });
  [canvas.width, canvas.height] = [source.width, source.height];
  canvas.getContext("2d").drawImage(source, 0, 0);
  canvas.style.opacity = full.dataset.view === "mask" ? 1 : Number($("opacity").value) / 100;
  const only = Number($("only").value);
  for (const button of document.querySelectorAll("#classes button")) {
    button.setAttribute("aria-pressed", Number(button.value) === only);
  }
}

function listClasses(image) {
  const rows = [...image.classes].sort((one, other) => other[1] - one[1]).map(([label, share, confidence, presence]) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = run.colours[label - 1];
    const text = `${run.names[label - 1]} ${percent(share)} · confidence ${percent(confidence)} · presence ${percent(presence)}`;
    const button = make("button", { value: label, title: "Show this class alone" }, swatch, make("span", { textContent: text }));
    button.addEventListener("click", () => only(Number($("only").value) === label ? 0 : label));
    return make("li", {}, button);
  });
  $("classes").replaceChildren(...rows);
}

function only(label) { $("only").value = label; repaint(); }

function opacity(value) {
  for (const id of ["opacity", "full-opacity"]) $(id).value = value;
  repaint();
}

function view(name) { $("view").value = full.dataset.view = name; overlay(); }

// Moving and deciding.
function go(place) {
  if (!shown.length) return;
  at = Math.max(0, Math.min(place, shown.length - 1));
  const top = Math.floor(at / columns) * ROW;
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (top + ROW > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + ROW - grid.clientHeight;
  draw();
  if (full.open) show(); else cards.get(shown[at]).focus({ preventScroll: true });
}

function decide(indices, decision) {
  const judged = indices.filter(index => !images[index].message).map(index => images[index].name);
  if (!judged.length) return;
  undone.push(judged.map(name => [name, decisions.get(name)]));
  set(judged.map(name => [name, decision]));
}

function set(pairs) {
  for (const [name, decision] of pairs) {
    if (decision) decisions.set(name, decision); else decisions.delete(name);
  }
  keep();
  update();
}

function decideCurrent(decision) {
  const index = shown[at];
  if (index === undefined) return;
  decide([index], decision);
  if (!shown.length) full.close();
  else go(shown[at] === index && decision ? at + 1 : at);
}

function undo() {
  const step = undone.pop();
  if (!step) return;
  set(step);
  const place = shown.indexOf(images.findIndex(image => image.name === step[0][0]));
  go(place >= 0 ? place : at);
}

function list() {
  const judged = images.filter(image => decisions.has(image.name));
  const rows = judged.map(({ name, source }) => ({ name, source, decision: decisions.get(name) }));
  return `${JSON.stringify({ format: FORMAT, run: run.key, images: rows }, null, 1)}\n`;
}

function download() {
  const url = URL.createObjectURL(new Blob([list()], { type: "application/json" }));
  make("a", { href: url, download: "review.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

async function load(file) {
  try {
    const value = JSON.parse(await file.text()), known = new Set(images.map(image => image.name));
    if (value.format !== FORMAT || value.run !== run.key) throw new Error("it is no list of this run");
    const rows = value.images.filter(one => known.has(one.name) && Object.hasOwn(WORD, one.decision));
    undone.push(rows.map(({ name }) => [name, decisions.get(name)]));
    set(rows.map(one => [one.name, one.decision]));
  } catch (error) { say(`The list was not loaded: ${error.message}.`); }
}

function cycle(select, step) {
  const count = select.options.length;
  return select.options[(select.selectedIndex + step + count) % count].value;
}

const page = () => Math.max(1, Math.floor(grid.clientHeight / ROW)) * columns;
const KEYS = {
  ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1),
  ArrowUp: () => go(full.open ? at - 1 : at - columns >= 0 ? at - columns : at),
  ArrowDown: () => go(full.open ? at + 1 : at + columns < shown.length ? at + columns : at),
  Home: () => go(0), End: () => go(shown.length - 1), PageUp: () => go(at - page()), PageDown: () => go(at + page()),
  " ": () => full.open ? full.close() : open(), Enter: () => full.open ? full.close() : open(),
  a: () => decideCurrent("accept"), r: () => decideCurrent("reject"), c: () => decideCurrent(null), u: undo,
  s: () => only(Number(cycle($("only"), 1))), S: () => only(Number(cycle($("only"), -1))),
  "[": () => opacity(Number($("opacity").value) - 10), "]": () => opacity(Number($("opacity").value) + 10),
  v: () => view(cycle($("view"), 1)), d: download, "?": () => { if (!full.open) $("help").showModal(); },
  "/": () => { if (!full.open) { $("filters").open = true; $("text").focus(); } },
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const { tagName, type } = event.target, slides = type === "range" && !/^(Arrow|Home|End|Page)/.test(event.key);
  if (["INPUT", "SELECT"].includes(tagName) && !slides) {
    if (event.key === "Escape" && !full.open) { event.target.blur(); go(at); }
    return;
  }
  if (["BUTTON", "SUMMARY"].includes(tagName) && [" ", "Enter"].includes(event.key)) return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});
const CLICKS = {
  undo, download, load: () => $("file").click(), "help-open": () => $("help").showModal(), close: () => full.close(),
  previous: () => go(at - 1), next: () => go(at + 1), accept: () => decideCurrent("accept"),
  reject: () => decideCurrent("reject"), clear: () => decideCurrent(null),
  "accept-all": () => decide(shown, "accept"), "reject-all": () => decide(shown, "reject"),
};
for (const [id, action] of Object.entries(CLICKS)) $(id).addEventListener("click", action);
$("form").addEventListener("submit", event => event.preventDefault());
$("form").addEventListener("input", event => {
  if (event.target.id === "opacity") opacity(event.target.value);
  else if (event.target.id === "only") repaint();
  else update();
});
$("form").addEventListener("reset", () => setTimeout(() => { opacity($("opacity").value); update(); }));
$("full-opacity").addEventListener("input", event => opacity(event.target.value));
$("view").addEventListener("change", event => { view(event.target.value); $("panes").focus(); });
$("file").addEventListener("change", event => { load(event.target.files[0]); event.target.value = ""; });
full.addEventListener("close", () => go(at));
grid.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
new ResizeObserver(draw).observe(grid);
run.names.forEach((name, index) => {
  for (const id of ["class", "only"]) $(id).append(make("option", { value: index + 1, textContent: name }));
});
$("filters").open = matchMedia("(min-width: 701px)").matches;
document.title = `Review of ${run.title}`;
document.querySelector("h1").textContent = document.title;
view("beside");
update();
