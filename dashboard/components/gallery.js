// The gallery: search, grid, selection and lightbox as one thing, made once for a page.
//
// Its address is its state (`address`). Pages of tiles are asked for as the visitor scrolls (`paging`); what
// has come in since is announced and moves nothing. It is drawn before Streamlit has started, and moves
// to the component's place then (`berth`).

import * as address from "./address.js";
import { Problem } from "./asking.js";
import { Berth } from "./berth.js";
import { Choosing } from "./choosing.js";
import { button, element, whenSeen, zone } from "./drawing.js";
import { Grid } from "./grid.js";
import { leave } from "./look.js";
import { Notices } from "./notices.js";
import { Pages } from "./paging.js";
import { Search } from "./searching.js";

const FRESH_EVERY_MS = 4000;
const HIDDEN_EVERY_MS = 20_000;
const AHEAD = "1600px";

function isSelectAll(event) {
  return event.key === "a" && (event.ctrlKey || event.metaKey) && !event.altKey;
}

class Gallery {
  constructor(style) {
    this.host = element("div", "mmsvault-gallery");
    this.shadow = this.host.attachShadow({ mode: "open" });
    this.root = element("div", "root");
    if (style instanceof CSSStyleSheet) this.shadow.adoptedStyleSheets = [style];
    else {
      const sheet = element("link");
      sheet.rel = "stylesheet";
      sheet.href = style;
      this.shadow.append(sheet);
    }
    this.shadow.append(this.root);
    this.berth = new Berth(this.host, this.shadow);
    this.want = () => {};
    this.build();
    addEventListener("popstate", () => this.follow());
    addEventListener("pagehide", () => {
      address.remember(this.pages.loaded, this.berth.scroller()?.scrollTop || 0);
      this.leaveLook();
    });
    document.addEventListener("visibilitychange", () => !document.hidden && this.look());
  }

  build() {
    this.search = new Search(() => this.searched());
    this.notices = new Notices(this.root, { onnew: () => this.toTop(), onexport: (more) => this.choosing.exportFound(more) });
    this.grid = new Grid({
      onopen: (tile) => this.open(tile),
      ontoggle: (tile, range, from) => this.choosing.toggle(tile, range, from),
      onday: (day) => this.choosing.toggleDay(day).catch((error) => this.failed(error)),
    });
    this.pages = new Pages({
      asked: () => this.asked(),
      onbegin: (page) => this.began(page),
      onmore: (tiles) => this.grew(tiles),
      ontotal: (total) => this.totalled(total),
      onfail: (error) => this.failed(error),
      onbusy: (busy) => this.root.classList.toggle("busy", busy),
    });
    this.choosing = new Choosing({
      grid: this.grid,
      given: () => this.asked(),
      want: (wanted) => this.want({ ...wanted, number: Date.now() }),
      onchange: () => this.writeChoice(),
      say: (words) => this.notices.say(words, { shown: true }),
    });
    const { counts, found, problem, news, empty, end, said } = this.notices;
    this.root.append(this.search.node, found, counts, problem, news, empty, this.grid.node, end, this.choosing.node, said);
    this.root.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => this.keyOfPage(event));
  }

  key(event) {
    if (event.key === "Escape" && this.choosing.selected.size) {
      this.choosing.clear();
      event.stopPropagation();
    } else if (isSelectAll(event) && !event.target.closest("input, select, textarea, dialog")) {
      event.preventDefault();
      this.choosing.takeLoaded();
    }
  }

  // A page opens with the focus nowhere: its tiles are meant there, too, not the words around them.
  keyOfPage(event) {
    if (!isSelectAll(event) || event.defaultPrevented || document.activeElement !== document.body) return;
    if (!this.host.isConnected || !address.isHere() || this.isOver || document.querySelector('[role="dialog"]')) return;
    event.preventDefault();
    this.choosing.takeLoaded();
  }

  // What is asked for: the filters, and the zone that their days are in.
  asked() {
    return { ...this.search.given(), zone: zone() };
  }

  // The visitor went back or on: show what the address says.
  follow() {
    if (!address.isHere() || !this.host.isConnected) return;
    const { filters, file, ...choice } = address.read();
    this.search.show(filters);
    const fresh = JSON.stringify(this.shownFilters) !== JSON.stringify(this.search.given()) ? this.load() : Promise.resolve();
    fresh.then(() => this.choosing.restore(choice));
    if (!file && this.lightbox?.isOpen) this.lightbox.node.close();
    else if (file && (!this.lightbox?.isOpen || this.lightbox.key !== file)) this.showFile(file);
  }

  searched() {
    const was = { ...this.shownFilters, zone: zone() };
    address.write(this.search.given(), { choice: this.choosing.named, replaced: false });
    this.load().then(() => !this.search.isMistaken && this.choosing.refit(was));
  }

  // Load what is asked for now.
  load(how) {
    this.shownFilters = this.search.given();
    return this.pages.load(how);
  }

  // Name what is selected in the address, beside what else it says.
  writeChoice() {
    if (address.isHere() && this.host.isConnected) address.write(this.search.given(), { file: address.read().file, choice: this.choosing.named });
  }

  // ---- pages

  async begin(first) {
    const { filters, file, ...choice } = address.read();
    this.search.show(filters);
    if (file) this.theLightbox().catch(() => {});
    const place = address.remembered();
    const isOfHere = !(filters.since || filters.until) || first?.zone === zone(); // a day begins elsewhere at another time
    await this.load({ first: isOfHere ? first : null, upTo: place?.loaded || 0 });
    this.choosing.restore(choice);
    if (place) requestAnimationFrame(() => this.berth.scroller() && (this.berth.scroller().scrollTop = place.top));
    if (file) this.showFile(file);
    whenSeen(() => {
      this.watchEnd();
      this.leaveLook();
    });
    this.timer = setTimeout(() => this.look(), FRESH_EVERY_MS);
  }

  leaveLook() {
    const here = this.host.getBoundingClientRect();
    if (here.width) leave(this.grid.node.getBoundingClientRect().top - here.top);
  }

  began(page) {
    this.notices.announce(0);
    this.notices.problem.hidden = true;
    this.search.complain(null);
    this.search.hint(page.hint);
    this.grid.figures.clear();
    this.notices.tellFound(null);
    if (page.counts) this.notices.count(page.counts);
    this.draw(page.tiles);
    this.notices.showNothing(page.tiles.length ? {} : this.search.given(), () => this.search.reset());
  }

  grew(tiles) {
    const known = new Set(this.grid.days.keys());
    this.draw([...this.grid.tiles, ...tiles]);
    this.askDays([...this.grid.days.keys()].filter((day) => !known.has(day)));
    this.watchEnd();
  }

  draw(tiles) {
    this.grid.fill(tiles);
    this.counted();
  }

  // How much is found is known: then how much of it came in on each day.
  totalled(total) {
    this.notices.tellFound(total);
    this.counted();
    this.askDays([...this.grid.days.keys()]);
  }

  askDays(days) {
    if (days.length) this.pages.days(days, (told) => this.grid.tell(told));
  }

  counted() {
    this.choosing.renew(this.pages.total);
    this.notices.showEnd(this.pages);
  }

  failed(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) this.signedOut(error);
    else if (error.status === 400) {
      this.search.complain(error);
      this.pages.empty();
      this.notices.tellFound(null);
      this.draw([]);
      this.notices.showNothing({});
    } else this.notices.complain(error.message, button("", "Try again", { text: "Try again", onclick: () => this.again() }));
  }

  async again() {
    await this.load();
    if (this.notices.problem.hidden) this.grid.focusNear(); // the button is gone, and the focus with it
  }

  signedOut(error) {
    clearTimeout(this.timer);
    this.isOver = true;
    if (this.lightbox?.isOpen) this.lightbox.node.close();
    this.choosing.clear();
    this.grid.fill([]);
    this.notices.clear();
    const link = element("a", "", "Log in");
    link.href = address.login();
    this.notices.complain(error.message, link);
  }

  watchEnd() {
    this.watcher?.disconnect();
    this.watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.pages.more(), {
      root: this.berth.scroller(),
      rootMargin: AHEAD,
    });
    this.watcher.observe(this.notices.end);
  }

  // ---- what has come in since

  async look() {
    clearTimeout(this.timer);
    if (this.isOver) return;
    if (this.host.isConnected && address.isHere()) {
      try {
        await this.lookOnce();
      } catch (error) {
        if (error.status === 401) this.failed(error);
      }
    }
    if (!this.isOver) this.timer = setTimeout(() => this.look(), document.hidden ? HIDDEN_EVERY_MS : FRESH_EVERY_MS);
  }

  async lookOnce() {
    const told = await this.pages.news(this.grid.waiting());
    if (!told) return;
    const wasEmpty = this.notices.messages === 0;
    this.notices.count(told.counts);
    if (told.tiles.length) {
      this.grid.renew(told.tiles);
      this.choosing.paint();
    }
    if (told.new && !this.grid.tiles.length && !this.search.isMistaken) {
      await this.load();
      if (wasEmpty) this.want({ deed: "look", number: Date.now() }); // the way in need not be told any more
    } else this.notices.announce(this.grid.tiles.length ? told.new : 0);
  }

  async toTop() {
    await this.load();
    this.berth.scroller()?.scrollTo({ top: 0 });
    this.grid.focus(this.grid.links()[0]);
  }

  // ---- the lightbox, which is fetched when Streamlit is there or at the first click: no picture waits for it

  theLightbox() {
    this.coming ||= import("./lightbox.js").then(({ Lightbox }) => {
      this.lightbox = new Lightbox({
        tiles: () => this.grid.tiles,
        pages: this.pages,
        onshow: (tile) => this.shown(tile),
        onclose: (key) => this.hidden(key),
      });
      this.root.append(this.lightbox.node);
      return this.lightbox;
    });
    return this.coming;
  }

  async open(tile) {
    const lightbox = await this.theLightbox().catch(() => null);
    if (lightbox) lightbox.show(tile);
    else location.assign(tile.href); // the message's page shows it as well
  }

  shown(tile) {
    const isFirst = !address.read().file;
    address.write(this.search.given(), { file: tile.key, choice: this.choosing.named, replaced: !isFirst });
    if (isFirst) this.pushed = true;
  }

  hidden(key) {
    if (address.read().file) {
      if (this.pushed) history.back();
      else this.writeView();
    }
    this.pushed = false;
    this.grid.focusNear(key);
  }

  // Show the file that an address names; it need not be among those that are loaded.
  async showFile(key) {
    const there = this.grid.tiles.find((tile) => tile.key === key);
    const tile = there || (await this.pages.find(key).catch(() => null));
    if (tile) this.open(tile);
    else this.writeView();
  }

  // Say in the address what is shown, without a file.
  writeView() {
    address.write(this.search.given(), { choice: this.choosing.named });
  }

  // ---- its place on the page

  async attach(parent, { may, done }, want) {
    this.want = want;
    this.choosing.allow(may);
    this.notices.mayExport(may.includes("export"));
    if (done && done.number !== this.done) {
      if (this.done !== undefined || done.number > 1 || this.hasWanted) this.finished(done);
      this.done = done.number;
    }
    await this.berth.moveTo(parent);
    this.watchEnd();
    this.follow();
    this.theLightbox().catch(() => {});
  }

  async finished(done) {
    this.choosing.clear();
    await this.load({ upTo: this.pages.loaded });
    this.notices.say(done.said, { shown: true });
  }
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
  const gallery = theGallery(new URL(data.style, document.baseURI));
  const parent = parentElement.querySelector(".root");
  await gallery.attach(parent, data, (wanted) => {
    gallery.hasWanted = true;
    setTriggerValue("wanted", wanted);
  });
  const early = document.querySelector(".mmsvault-early");
  if (!early?.contains(gallery.host)) early?.remove();
}
