"use strict";
// The offline gallery. It asks nobody: the messages stand in this page, the files beside it. What
// strangers sent is put on the page as text, and only files that run nothing get a link.

const messages = JSON.parse(document.getElementById("messages").textContent);
const TILE = 190, GAP = 6, ROWS_AHEAD = 3;
const INERT = /^(image\/(jpeg|png|gif|webp|bmp|avif|heic|heif|tiff)|video\/|audio\/|text\/plain|application\/pdf$)/;
const SHOWN = /^image\/(jpeg|png|gif|webp|bmp|avif)$/;

const fold = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
const digits = (text) => text.replace(/[^0-9]/g, "").replace(/^00/, "");
const address = (path) => path.split("/").map(encodeURIComponent).join("/");
const make = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

// One tile a file; a message without files has one of its own.
const tiles = [];
for (const message of messages) {
  message.words = fold([message.id, message.subject, message.keyword, message.from, ...message.to, ...message.tags, ...message.media.map((item) => item.text)].join("\n"));
  message.numbers = [message.from, ...message.to].map(digits).join(" ");
  for (const item of message.media.length ? message.media : [null]) tiles.push({ message, item });
}

const terms = (query) => [...query.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi)].map(([, minus, field, phrase, word]) => {
  const value = fold(phrase ?? word);
  const number = digits(value);
  const inNumbers = (message, whole) => number.length > 2 && /^[+\d\s().*-]+$/.test(value) && whole.includes(number);
  const fits = {
    from: (message) => inNumbers(message, digits(message.from)) || fold(message.from) === value,
    to: (message) => message.to.some((to) => inNumbers(message, digits(to)) || fold(to) === value),
    number: (message) => inNumbers(message, message.numbers),
    keyword: (message) => fold(message.keyword) === (value === "none" ? "" : value),
    tag: (message) => message.tags.some((tag) => fold(tag) === value),
    type: (message) => message.media.some((item) => item.type.startsWith(value)),
  }[(field || "").toLowerCase()];
  const words = fold(field ? `${field}:${phrase ?? word}` : phrase ?? word);
  const held = fits || ((message) => message.words.includes(words) || inNumbers(message, message.numbers));
  return minus ? (message) => !held(message) : held;
});

const search = document.getElementById("search"), grid = document.getElementById("grid");
const sender = document.getElementById("sender"), keyword = document.getElementById("keyword");
const count = document.getElementById("count");
const choices = (select, values) => {
  const known = new Map();
  for (const value of values) if (value) known.set(value, (known.get(value) || 0) + 1);
  for (const [value, times] of [...known].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1)).slice(0, 2000)) {
    const option = make("option", "", `${value} (${times})`);
    option.value = value;
    select.append(option);
  }
};
choices(sender, messages.map((message) => message.from));
choices(keyword, messages.map((message) => message.keyword));

let found = tiles, drawn = new Map(), columns = 1, side = TILE;

function find() {
  const all = terms(search.value);
  const held = new Set(messages.filter((message) => (!sender.value || message.from === sender.value) && (!keyword.value || message.keyword === keyword.value) && all.every((fits) => fits(message))));
  found = tiles.filter((tile) => held.has(tile.message));
  count.textContent = `${held.size.toLocaleString("en")} of ${messages.length.toLocaleString("en")} messages`;
  document.getElementById("none").hidden = held.size > 0;
  for (const tile of drawn.values()) tile.remove();
  drawn = new Map();
  measure();
}

function measure() {
  columns = Math.max(2, Math.floor((grid.clientWidth + GAP) / (TILE + GAP)));
  side = (grid.clientWidth + GAP) / columns - GAP;
  grid.style.height = `${Math.ceil(found.length / columns) * (side + GAP)}px`;
  for (const tile of drawn.values()) tile.remove();
  drawn = new Map();
  draw();
}

// Only what is near the window is on the page: ten thousand tiles cost as much as fifty.
function draw() {
  const row = side + GAP, top = window.scrollY - grid.offsetTop;
  const first = Math.max(0, Math.floor(top / row) - ROWS_AHEAD) * columns;
  const last = Math.min(found.length, (Math.ceil((top + window.innerHeight) / row) + ROWS_AHEAD) * columns);
  for (const [place, tile] of drawn) if (place < first || place >= last) { tile.remove(); drawn.delete(place); }
  for (let place = first; place < last; place++) if (!drawn.has(place)) drawn.set(place, grid.appendChild(face(place)));
}

function face(place) {
  const { message, item } = found[place];
  const tile = make("button", "tile");
  tile.type = "button";
  tile.dataset.id = message.id;
  tile.style.left = `${(place % columns) * (side + GAP)}px`;
  tile.style.top = `${Math.floor(place / columns) * (side + GAP)}px`;
  tile.style.width = tile.style.height = `${side}px`;
  const told = `${message.from}, ${message.at.slice(0, 16).replace("T", " ")} UTC`;
  tile.setAttribute("aria-label", `${told} ${message.subject}`);
  if (item && item.thumbnail) {
    const image = make("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = address(item.thumbnail);
    tile.append(image);
  } else {
    const words = make("span", "face");
    words.append(make("b", "", item ? item.type || item.state : "no files"), item ? item.text || item.reason : message.subject);
    tile.append(words);
  }
  tile.append(make("span", "label", message.subject || message.keyword || told));
  tile.addEventListener("click", () => open(place));
  return tile;
}

const box = document.getElementById("box"), stage = box.querySelector(".stage"), facts = box.querySelector("aside");
let at = 0;

function open(place) {
  at = place;
  const { message, item } = found[place];
  stage.replaceChildren(shown(item), step("back", "‹", "Back", -1), step("on", "›", "On", 1));
  const close = make("button", "close", "×");
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => box.close());
  const list = make("dl");
  const told = [["From", message.from], ["To", message.to.join(", ")], ["Received", message.at.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")], ["Keyword", message.keyword], ["Carrier", message.carrier], ["Tags", message.tags.join(", ")], ["State", message.state], ["Message", message.id]];
  if (item) told.push(["File", item.type || item.state], ["Bytes", item.size === null ? "" : item.size.toLocaleString("en")], ["SHA-256", item.sha256], ["Text", item.text], ["Note", item.reason]);
  for (const [name, value] of told) if (value) list.append(make("dt", "", name), make("dd", "", value));
  if (item && item.path) {
    const where = make("dd");
    if (INERT.test(item.type)) {
      const link = make("a", "", item.path);
      link.href = address(item.path);
      link.target = "_blank";
      link.rel = "noopener";
      where.append(link);
    } else where.textContent = item.path;
    list.append(make("dt", "", "Original"), where);
  }
  facts.replaceChildren(close, make("h2", "", message.subject || "(no subject)"), list);
  if (!box.open) box.showModal();
}

function shown(item) {
  if (!item) return make("p", "", "This message has no files.");
  const path = item.preview || item.path, type = item.preview ? item.previewType : item.type;
  if (path && SHOWN.test(type)) { const image = make("img"); image.alt = item.text || ""; image.src = address(path); return item.type === "application/pdf" ? pages(image) : image; }
  if (path && /^(video|audio)\//.test(type)) { const player = make(type.startsWith("video") ? "video" : "audio"); player.controls = true; player.src = address(path); return player; }
  if (item.thumbnail) { const image = make("img"); image.alt = ""; image.src = address(item.thumbnail); return image; }
  return make("p", "", item.text || item.reason || item.type);
}

// The pages of a document stand below each other in one picture.
function pages(image) {
  const scrolled = make("div");
  scrolled.className = "pages";
  scrolled.tabIndex = 0;
  scrolled.append(image);
  return scrolled;
}

function step(className, sign, name, by) {
  const button = make("button", `step ${className}`, sign);
  button.setAttribute("aria-label", name);
  button.hidden = !found[at + by];
  button.addEventListener("click", () => open(at + by));
  return button;
}

box.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && found[at + by] && !(event.target instanceof HTMLMediaElement)) open(at + by);
});
box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
box.addEventListener("close", () => stage.replaceChildren());
let waiting;
search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(find, 120); });
sender.addEventListener("change", find);
keyword.addEventListener("change", find);
window.addEventListener("scroll", draw, { passive: true });
window.addEventListener("resize", measure);
find();
