// The gallery: search, grid, selection and lightbox as one thing, made once for a page.
//
// Its address is its state: filters and the file that the lightbox shows. Pages of tiles are asked for
// as the visitor scrolls; what has come in since is announced and moves nothing.

import { Problem, ask } from "./asking.js";
import { Choosing } from "./choosing.js";
import { button, counted, dayOf, element, zone } from "./drawing.js";
import { Grid } from "./grid.js";
import { Lightbox } from "./lightbox.js";
import { FILTERS, Search } from "./searching.js";

const FRESH_EVERY_MS = 4000;
const HIDDEN_EVERY_MS = 20_000;
const AHEAD = "1600px";
const MOST_AT_ONCE = 600;
const SHOWN = "file";
const PLACE = "mmsvault-place";

class Gallery {
  constructor(style) {
    this.host = element("div", "mmsvault-gallery");
    this.shadow = this.host.attachShadow({ mode: "open" });
    const sheet = element("link");
    sheet.rel = "stylesheet";
    sheet.href = style;
    this.root = element("div", "root");
    this.shadow.append(sheet, this.root);
    this.pages = { next: null, newest: "", total: null };
    this.loaded = 0; // messages
    this.turn = 0;
    this.want = () => {};
    this.build();
    addEventListener("popstate", () => this.follow());
    addEventListener("pagehide", () => this.remember());
    document.addEventListener("visibilitychange", () => !document.hidden && this.look());
  }

  build() {
    this.search = new Search(() => this.searched());
    this.counts = element("ul", "counts");
    this.counts.setAttribute("role", "list");
    this.counts.setAttribute("aria-label", "Counts");
    this.grid = new Grid({
      onopen: (tile) => this.open(tile),
      ontoggle: (tile, range, from) => this.choosing.toggle(tile, range, from),
      onday: (day) => this.choosing.toggleAll(this.grid.tiles.filter((tile) => dayOf(tile.at) === day)),
    });
    this.choosing = new Choosing({
      grid: this.grid,
      given: () => ({ ...this.search.given(), zone: zone() }),
      want: (wanted) => this.want({ ...wanted, number: Date.now() }),
    });
    this.lightbox = new Lightbox({
      tiles: () => this.grid.tiles,
      more: () => this.more(),
      total: () => ({ more: Boolean(this.pages.next) }),
      onshow: (tile) => this.shown(tile),
      onclose: (key) => this.hidden(key),
    });
    this.news = button("news", "", { icon: "up", text: " ", onclick: () => this.toTop() });
    this.news.removeAttribute("aria-label");
    this.news.removeAttribute("title");
    this.news.hidden = true;
    this.said = element("p", "said");
    this.said.setAttribute("role", "status");
    this.empty = element("div", "nothing");
    this.end = element("div", "end");
    this.problem = element("div", "problem");
    this.problem.hidden = true;
    this.root.append(this.search.node, this.counts, this.problem, this.news, this.empty, this.grid.node, this.end, this.choosing.node, this.said, this.lightbox.node);
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.key === "Escape" && this.choosing.selected.size) {
      this.choosing.clear();
      event.stopPropagation();
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey) && !event.target.closest("input, select, textarea, dialog")) {
      this.choosing.takeLoaded();
      event.preventDefault();
    }
  }

  // ---- the address

  address() {
    const given = new URLSearchParams(location.search);
    return { filters: Object.fromEntries(FILTERS.map((name) => [name, given.get(name) || ""])), file: given.get(SHOWN) };
  }

  write({ file = null, replaced = true }) {
    const params = new URLSearchParams(this.search.given());
    if (file) params.set(SHOWN, file);
    const address = params.size ? `?${params}` : "";
    if (address === location.search) return;
    history[replaced ? "replaceState" : "pushState"](history.state, "", location.pathname + address);
  }

  isHere() {
    return /\/$/.test(location.pathname);
  }

  // The visitor went back or on: show what the address says.
  follow() {
    if (!this.isHere() || !this.host.isConnected) return;
    const { filters, file } = this.address();
    if (JSON.stringify(filters) !== JSON.stringify(this.search.values)) {
      this.search.show(filters);
      this.load();
    }
    if (!file && this.lightbox.isOpen) this.lightbox.node.close();
    else if (file && (!this.lightbox.isOpen || this.lightbox.key !== file)) this.showFile(file);
  }

  searched() {
    this.write({ replaced: false });
    this.load();
  }

  // ---- pages

  params(more = {}) {
    return { ...this.search.given(), zone: zone(), ...more };
  }

  async begin(first) {
    const { filters, file } = this.address();
    this.search.show(filters);
    const place = this.remembered();
    await this.load({ first, upTo: place?.loaded || 0 });
    if (place) requestAnimationFrame(() => this.scroller() && (this.scroller().scrollTop = place.top));
    if (file) this.showFile(file);
    this.watchEnd();
    this.timer = setTimeout(() => this.look(), FRESH_EVERY_MS);
  }

  // Load the first page, or as many messages at once as were seen before.
  async load({ first = null, upTo = 0 } = {}) {
    const turn = ++this.turn;
    this.loading?.abort();
    this.loading = new AbortController();
    this.root.classList.add("busy");
    try {
      const limit = upTo > 60 ? { limit: Math.min(upTo, MOST_AT_ONCE) } : {};
      const page = first && !limit.limit ? first : await ask("gallery", this.params(limit), this.loading.signal);
      if (turn !== this.turn) return;
      this.began(page);
    } catch (error) {
      if (error.name === "AbortError" || turn !== this.turn) return;
      this.failed(error);
    } finally {
      if (turn === this.turn) this.root.classList.remove("busy");
    }
  }

  began(page) {
    this.pages = { next: page.next, newest: page.newest, total: { total: page.total, exact: page.exact } };
    this.loaded = page.messages;
    this.ahead = null;
    this.fetching = null;
    this.announce(0);
    this.mend();
    this.grid.fill(page.tiles);
    if (page.counts) this.count(page.counts);
    this.choosing.renew(this.pages.total);
    this.showEmpty();
    this.showEnd();
    this.fetchAhead();
  }

  // The page after the last one is on its way before anybody scrolls there.
  fetchAhead() {
    if (!this.pages.next || this.ahead) return;
    const after = this.pages.next;
    const go = () => {
      if (this.pages.next === after && !this.ahead) this.ahead = { after, page: ask("gallery", this.params({ after })).catch(() => null) };
    };
    (globalThis.requestIdleCallback || setTimeout)(go, { timeout: 1500 });
  }

  // Load the next page. Two who ask at once wait for the same one.
  more() {
    if (!this.pages.next) return Promise.resolve();
    this.fetching ||= this.next(this.pages.next, this.turn).finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  async next(after, turn) {
    try {
      const ahead = this.ahead?.after === after ? await this.ahead.page : null;
      const page = ahead || (await ask("gallery", this.params({ after })));
      if (turn !== this.turn || this.pages.next !== after) return;
      this.pages.next = page.next;
      this.loaded += page.messages;
      this.ahead = null;
      this.grid.fill([...this.grid.tiles, ...page.tiles]);
      this.choosing.renew(this.pages.total);
      this.showEnd();
      this.watchEnd();
      this.fetchAhead();
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    }
  }

  showEnd() {
    const { total, exact } = this.pages.total;
    const seen = this.loaded.toLocaleString();
    this.end.textContent = this.pages.next ? `${seen} of ${exact ? "" : "more than "}${counted(total, "message")}` : total ? `${counted(total, "message")}` : "";
    this.root.dataset.total = total;
    this.root.dataset.loaded = this.loaded;
  }

  showEmpty() {
    const filters = this.search.given();
    const chosen = Object.entries(filters);
    if (this.grid.tiles.length || !chosen.length) {
      this.empty.replaceChildren();
      return;
    }
    const list = element("ul");
    for (const [name, value] of chosen) list.append(element("li", "", `${name === "q" ? "search" : name}: ${value}`));
    this.empty.replaceChildren(
      element("h2", "", "No message fits this:"),
      list,
      element("p", "", "Write fewer words, or take a filter away. Words are found from their beginning."),
      button("", "Show all messages", { text: "Show all messages", onclick: () => this.search.reset() }),
    );
  }

  failed(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) {
      this.signedOut(error);
      return;
    }
    if (error.status === 400) {
      this.search.complain(error);
      this.grid.fill([]);
      this.empty.replaceChildren();
      this.pages = { next: null, newest: "", total: { total: 0, exact: true } };
      this.loaded = 0;
      this.choosing.renew(this.pages.total);
      this.showEnd();
      return;
    }
    this.problem.hidden = false;
    this.problem.replaceChildren(element("p", "", error.message), button("", "Try again", { text: "Try again", onclick: () => this.load() }));
  }

  mend() {
    this.problem.hidden = true;
    this.search.complain(null);
  }

  signedOut(error) {
    clearTimeout(this.timer);
    this.isOver = true;
    if (this.lightbox.isOpen) this.lightbox.node.close();
    this.choosing.clear();
    this.grid.fill([]);
    this.counts.replaceChildren();
    this.news.hidden = true;
    this.end.textContent = "";
    const link = element("a", "", "Log in");
    link.href = "login";
    this.problem.hidden = false;
    this.problem.replaceChildren(element("p", "", error.message), link);
  }

  // ---- what has come in since

  async look() {
    clearTimeout(this.timer);
    if (this.isOver) return;
    if (this.host.isConnected && this.isHere()) {
      try {
        await this.lookOnce();
      } catch (error) {
        if (error.status === 401) this.failed(error);
      }
    }
    if (!this.isOver) this.timer = setTimeout(() => this.look(), document.hidden ? HIDDEN_EVERY_MS : FRESH_EVERY_MS);
  }

  async lookOnce() {
    const turn = this.turn;
    const waiting = new Set(this.grid.tiles.filter((tile) => tile.alerts.includes("waiting")).map((tile) => tile.message));
    const told = await ask("news", this.params({ than: this.pages.newest, waiting: [...waiting].slice(0, 60).join(",") }));
    if (turn !== this.turn) return;
    const wasEmpty = this.counted === 0;
    this.count(told.counts);
    if (told.tiles.length) this.renew(told.tiles);
    if (told.new && !this.grid.tiles.length && !this.search.mistake.textContent) {
      await this.load();
      if (wasEmpty) this.want({ deed: "look", number: Date.now() }); // the way in need not be told any more
    } else this.announce(this.grid.tiles.length ? told.new : 0);
  }

  // Put what became of some messages in the place of their tiles.
  renew(fresh) {
    const byMessage = Map.groupBy ? Map.groupBy(fresh, (tile) => tile.message) : grouped(fresh);
    const tiles = [];
    const done = new Set();
    for (const tile of this.grid.tiles) {
      if (!byMessage.has(tile.message)) tiles.push(tile);
      else if (!done.has(tile.message)) {
        done.add(tile.message);
        tiles.push(...byMessage.get(tile.message));
      }
    }
    this.grid.fill(tiles);
    this.choosing.paint();
  }

  announce(number) {
    this.news.hidden = !number;
    this.news.lastElementChild.textContent = number >= 100 ? "100 and more new" : `${number.toLocaleString()} new`;
    if (number) this.say(`${counted(number, "new message")}`);
  }

  async toTop() {
    await this.load();
    this.scroller()?.scrollTo({ top: 0 });
    this.grid.focus(this.grid.links()[0]);
  }

  count(counts) {
    this.counted = counts.find((one) => one.name === "messages")?.value ?? 0;
    this.counts.replaceChildren(
      ...counts.map((one) => {
        const item = element("li", one.value ? one.tone : "zero");
        const value = element("b", "", one.value.toLocaleString());
        value.dataset.count = one.name;
        item.title = one.meaning;
        item.append(element("span", "", one.label), " ", value);
        return item;
      }),
    );
  }

  say(words) {
    if (this.said.textContent !== words) this.said.textContent = words;
  }

  // ---- the lightbox

  open(tile) {
    this.lightbox.show(tile);
  }

  shown(tile) {
    const isFirst = !new URLSearchParams(location.search).get(SHOWN);
    this.write({ file: tile.key, replaced: !isFirst });
    if (isFirst) this.pushed = true;
  }

  hidden(key) {
    if (new URLSearchParams(location.search).get(SHOWN)) {
      if (this.pushed) history.back();
      else this.write({});
    }
    this.pushed = false;
    this.grid.focusKey(key);
  }

  // Show the file that an address names; it need not be among those that are loaded.
  async showFile(key) {
    const there = this.grid.tiles.find((tile) => tile.key === key);
    if (there) {
      this.lightbox.show(there);
      return;
    }
    const message = key.slice(0, key.lastIndexOf("/"));
    try {
      const told = await ask("news", { than: this.pages.newest, waiting: message });
      const tile = told.tiles.find((one) => one.key === key);
      if (tile) this.lightbox.show(tile);
      else this.write({});
    } catch {
      this.write({});
    }
  }

  // ---- its place on the page

  attach(parent, { may, done }, want) {
    this.want = want;
    if (this.host.parentElement !== parent) this.moveTo(parent);
    this.choosing.allow(may);
    if (done && done.number !== this.done) {
      if (this.done !== undefined || done.number > 1 || this.hasWanted) this.finished(done);
      this.done = done.number;
    }
    this.watchEnd();
    this.follow();
  }

  // What somebody writes in keeps the focus, and a lightbox that is open stays over the page.
  moveTo(parent) {
    const focused = this.shadow.activeElement;
    const top = this.scroller()?.scrollTop || 0;
    if (parent.moveBefore && parent.isConnected && this.host.isConnected) parent.moveBefore(this.host, null);
    else parent.replaceChildren(this.host);
    const dialog = this.lightbox.node;
    if (dialog.open && !dialog.matches(":modal")) {
      dialog.removeAttribute("open");
      dialog.showModal();
    }
    if (focused && this.shadow.activeElement !== focused) focused.focus({ preventScroll: true });
    if (top) requestAnimationFrame(() => this.scroller()?.scrollTo({ top, behavior: "instant" }));
  }

  async finished(done) {
    this.choosing.clear();
    await this.load({ upTo: this.loaded });
    this.say(done.said);
    this.root.classList.add("told");
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.root.classList.remove("told"), 5000);
  }

  watchEnd() {
    this.watcher?.disconnect();
    this.watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.more(), {
      root: this.scroller(),
      rootMargin: AHEAD,
    });
    this.watcher.observe(this.end);
  }

  scroller() {
    for (let node = this.host.parentNode; node; node = node.parentNode || node.host) {
      if (node instanceof Element && /auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
    }
    return null;
  }

  remember() {
    const top = this.scroller()?.scrollTop || 0;
    sessionStorage.setItem(PLACE, JSON.stringify({ search: location.search, loaded: this.loaded, top }));
  }

  // Where the visitor was, if they come back to the same view.
  remembered() {
    const [how] = performance.getEntriesByType("navigation");
    try {
      const place = JSON.parse(sessionStorage.getItem(PLACE));
      return place?.search === location.search && ["back_forward", "reload"].includes(how?.type) ? place : null;
    } catch {
      return null;
    }
  }
}

function grouped(tiles) {
  const found = new Map();
  for (const tile of tiles) found.set(tile.message, [...(found.get(tile.message) || []), tile]);
  return found;
}

// The first page is in the document, if it is the gallery's own.
function embedded() {
  const told = document.getElementById("mmsvault-first");
  if (!told) return null;
  told.remove();
  return JSON.parse(told.textContent);
}

let only = null;

export function theGallery(style) {
  if (!only) {
    only = new Gallery(style);
    only.ready = only.begin(embedded());
  }
  return only;
}

export async function mount({ data, parentElement, setTriggerValue }) {
  const gallery = theGallery(new URL("./gallery.css", import.meta.url));
  const parent = parentElement.querySelector(".root");
  gallery.attach(parent, data, (wanted) => {
    gallery.hasWanted = true;
    setTriggerValue("wanted", wanted);
  });
  document.querySelector(".mmsvault-early")?.remove();
}
