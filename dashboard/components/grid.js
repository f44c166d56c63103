// The grid: days as sections, files as tiles. Drawing again touches only what is different, so what
// stays keeps its place, its focus and its loaded picture.

import { amount, button, dayHeading, dayOf, element, place, whenSeen } from "./drawing.js";
import { dressTile, drawTile, drawnFrom, freshened } from "./tile.js";

const LONG_PRESS_MS = 450;
const FEW = 2; // days with so few tiles share a row; the first page's own tiles do as well (see `sight`)

export class Grid {
  constructor({ onopen, ontoggle, onday }) {
    this.node = element("div", "grid");
    this.tiles = [];
    this.drawn = new Map();
    this.days = new Map();
    this.selected = new Set();
    this.figures = new Map(); // what each day has in all
    this.onopen = onopen;
    this.ontoggle = ontoggle;
    this.onday = onday;
    this.node.addEventListener("click", (event) => this.click(event));
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("pointerdown", (event) => this.press(event));
    this.node.addEventListener("contextmenu", (event) => this.pressed && event.preventDefault());
  }

  // Draw these tiles, in their order.
  fill(tiles) {
    this.tiles = tiles;
    const drawn = new Map();
    const byDay = new Map();
    for (const tile of tiles) {
      const made = this.drawn.get(tile.key);
      const one = made && made.drawnFrom === drawnFrom(tile) ? freshened(made, tile) : drawTile(tile);
      drawn.set(tile.key, one);
      const day = dayOf(tile.at);
      if (!byDay.has(day)) byDay.set(day, []);
      byDay.get(day).push(one.node);
    }
    this.drawn = drawn;
    const sections = [];
    for (const [day, nodes] of byDay) {
      if (!this.days.has(day)) this.days.set(day, this.drawDay(day));
      const section = this.days.get(day);
      section.querySelector("h2 span").textContent = dayHeading(day); // today is yesterday after midnight
      place(section.lastElementChild, nodes);
      section.classList.toggle("few", nodes.length <= FEW);
      sections.push(section);
    }
    for (const day of [...this.days.keys()]) if (!byDay.has(day)) this.days.delete(day);
    place(this.node, sections);
    this.paint();
    if (!this.links().some((link) => link.tabIndex === 0)) this.aim(this.links()[0]);
    this.dressing ||= whenSeen(() => this.dress()) || true;
  }

  // Add what is not seen at the first glance.
  dress() {
    this.dressing = false;
    this.sayDays();
    for (const one of this.drawn.values()) if (!one.check) dressTile(one);
    this.paint();
  }

  // Say how much each day has under the filters; what is loaded may be less.
  sayDays() {
    for (const [day, section] of this.days) {
      const told = this.figures.get(day);
      section.querySelector("small").textContent = told ? amount(told) : "";
    }
  }

  tell(figures) {
    for (const [day, told] of Object.entries(figures)) this.figures.set(day, told);
    this.sayDays();
  }

  drawDay(day) {
    const section = element("section", "day");
    const heading = element("h2");
    heading.append(element("span"), element("small"));
    heading.id = `day-${day}`;
    section.setAttribute("aria-labelledby", heading.id);
    const head = element("div", "head");
    const choose = button("choose", `Select all of ${dayHeading(day)}`, { icon: "check", onclick: () => this.onday(day) });
    choose.tabIndex = -1;
    head.append(heading, choose);
    const list = element("ul");
    list.setAttribute("role", "list");
    section.append(head, list);
    return section;
  }

  // Put what became of some messages in the place of their tiles.
  renew(fresh) {
    const byMessage = new Map();
    for (const tile of fresh) byMessage.set(tile.message, [...(byMessage.get(tile.message) || []), tile]);
    const tiles = [];
    const done = new Set();
    for (const tile of this.tiles) {
      if (!byMessage.has(tile.message)) tiles.push(tile);
      else if (!done.has(tile.message)) {
        done.add(tile.message);
        tiles.push(...byMessage.get(tile.message));
      }
    }
    this.fill(tiles);
  }

  // The messages that still wait for files.
  waiting() {
    return new Set(this.tiles.filter((tile) => tile.alerts.includes("waiting")).map((tile) => tile.message));
  }

  links() {
    return [...this.node.querySelectorAll("a.tile")];
  }

  tile(link) {
    return this.drawn.get(link.dataset.key)?.tile;
  }

  // Show which messages are selected, and whether any is.
  paint() {
    this.node.classList.toggle("selecting", this.selected.size > 0);
    for (const one of this.drawn.values()) {
      const on = this.selected.has(one.tile.message);
      one.node.classList.toggle("on", on);
      one.check?.setAttribute("aria-checked", on);
    }
  }

  click(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const link = item.querySelector("a.tile");
    if (this.pressed) {
      this.pressed = false;
      event.preventDefault();
      return;
    }
    const isOffered = !this.node.classList.contains("unselectable");
    const chooses = isOffered && (event.target.closest(".check") || event.ctrlKey || event.metaKey || event.shiftKey || this.selected.size);
    if (event.altKey) return;
    event.preventDefault();
    this.aim(link);
    if (chooses) this.ontoggle(this.tile(link), event.shiftKey);
    else this.onopen(this.tile(link));
  }

  // A long press selects, as on phones everywhere; moving on is scrolling.
  press(event) {
    const item = event.target.closest("li");
    if (!item || event.pointerType === "mouse") return;
    this.pressed = false;
    const start = [event.clientX, event.clientY];
    const timer = setTimeout(() => {
      stop();
      this.pressed = true;
      this.ontoggle(this.tile(item.querySelector("a.tile")), false);
      navigator.vibrate?.(10);
    }, LONG_PRESS_MS);
    const moved = (move) => Math.hypot(move.clientX - start[0], move.clientY - start[1]) > 12 && stop();
    const stop = () => {
      clearTimeout(timer);
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", stop);
      removeEventListener("pointercancel", stop);
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
  }

  // One tile is in the tab order; arrows, Home and End go to the others.
  key(event) {
    const link = event.target.closest("a.tile");
    if (!link || event.altKey) return;
    const links = this.links();
    const at = links.indexOf(link);
    const go = {
      ArrowRight: () => links[at + 1],
      ArrowLeft: () => links[at - 1],
      ArrowDown: () => beside(links, at, 1),
      ArrowUp: () => beside(links, at, -1),
      Home: () => links[0],
      End: () => links[links.length - 1],
    }[event.key];
    if (event.key === " ") this.ontoggle(this.tile(link), event.shiftKey);
    else if (go && !event.ctrlKey && !event.metaKey) {
      const target = go();
      if (target) {
        if (event.shiftKey) this.ontoggle(this.tile(target), true, this.tile(link));
        this.focus(target);
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  aim(link) {
    if (!link) return;
    for (const other of this.node.querySelectorAll('a.tile[tabindex="0"]')) other.tabIndex = -1;
    link.tabIndex = 0;
  }

  focus(link) {
    if (!link) return;
    this.aim(link);
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" });
  }

  // Focus this tile, or the first one where it is not there.
  focusNear(key) {
    const link = this.drawn.get(key)?.node.querySelector("a.tile");
    this.focus(link || this.links().find((one) => one.tabIndex === 0) || this.links()[0]);
  }

  focusKey(key) {
    this.focus(this.drawn.get(key)?.node.querySelector("a.tile"));
  }
}

// The tile of the next row, up or down, whose middle is nearest.
function beside(links, at, step) {
  const here = links[at].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  let row = null;
  let best = null;
  let least = Infinity;
  for (let index = at + step; index >= 0 && index < links.length; index += step) {
    const box = links[index].getBoundingClientRect();
    if (Math.abs(box.top - here.top) < 4) continue;
    row = row === null ? box.top : row;
    if (Math.abs(box.top - row) > 4) break;
    const distance = Math.abs(box.left + box.width / 2 - middle);
    if (distance < least) [least, best] = [distance, links[index]];
  }
  return best;
}
